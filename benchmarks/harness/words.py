"""How scores and the codes that no learning made are called in tables."""

from __future__ import annotations

from benchmarks.harness.table import DOWN, UP

READS = (
    "noise, random_linear and random_pixels are codes that no learning made: several scores are high for them too. "
    "random_linear is a random linear map of the true factors, which no learner is shown; random_pixels one of the picture."
)
CALLED = {
    "random": "noise",
    "random_linear": "random_linear (reads the true factors)",
    "random_pixels": "random_pixels (reads the picture)",
}
LESS = ("mapc", "cvr", "ud90", "code_dependence")  # scores of which less is better
WAYS = f"better:{UP}, but{DOWN} for errors, mapc, cvr, ud90 and code_dependence"
ERRORS = ("_nrmse", "_zero_shot")


def called(code: str) -> str:
    """What a code of `benchmarks.metrics.ORACLES` is called in a table."""
    return CALLED.get(code, code)


def arrow(score: str) -> str:
    """A score's name with an arrow that says which way is better."""
    less = score.startswith(LESS) or any(word in score for word in ERRORS)
    return f"{score}{DOWN if less else UP}"
