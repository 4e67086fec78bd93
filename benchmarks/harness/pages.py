"""Writes README's tables from the results they keep: `python -m benchmarks.readme`.

A file there is the `result.json` of a sweep we stand behind, with the command that made it.
"""

from __future__ import annotations

import re
from typing import Any

from benchmarks.harness.rooms import CHECKOUT, ROOMS
from benchmarks.harness.table import Table
from representations.files import read_json, read_text, write_text

# Results that hold their tables, and how many of each stand in README.
STORED = {"covariance": 2, "dci": 1, "grasp": 1, "maze": 1, "policies": 1}
CONTROL = (
    ("reconstruction", 1, 1.0),
    ("prediction", 1, 1.0),
    ("success", 0, 100.0),
    ("time_in_goal", 1, 100.0),
    ("map_r2", 3, 1.0),
)


def _cell(found: dict[str, Any] | None, digits: int, scale: float) -> str:
    if found is None:
        return "-"
    mean, low, high = (found[key] * scale for key in ("mean", "low", "high"))
    return f"{mean:.{digits}f}" if low == high else f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def planar_table(results: list[dict[str, Any]]) -> str:
    """The rows of every planar result: model and setting, then X and Y side by side."""
    columns = ("model", "set", "reconstruction", "prediction", "success %", "time in goal %", "map R²")
    rows: list[tuple[str, ...]] = [
        ("dyn_content, published", "X", "3.6 ± 1.7", "6.2 ± 2.8", "100", "-", "-"),
        ("dyn_content, published", "Y", "3.9 ± 2.2", "6.3 ± 3.0", "100", "-", "-"),
    ]
    for result in results:
        for model, scores in result["intervals"].items():
            for set_ in "xy":
                cells = (_cell(scores.get(f"{set_}_{name}"), digits, scale) for name, digits, scale in CONTROL)
                rows.append((f"{model}{result['setting']}", set_.upper(), *cells))
    return Table("", columns, tuple(rows)).markdown()


SPRITES = (
    ("nll", "nats a picture", 1),
    ("pixel_error", "error a pixel", 4),
    ("latents_used", "latents used", 1),
    ("beta_vae_fixed", "beta-VAE metric", 3),
    ("factor_vae", "FactorVAE", 3),
    ("mig", "MIG", 3),
    ("dci_lasso_disentanglement", "DCI (lasso)", 3),
)
SWEPT = (
    ("beta_vae_changed", "metric, one factor changed", 3),
    ("factor_vae", "FactorVAE", 3),
    ("nll", "nats a picture", 1),
    ("latents_used", "latents used", 1),
    ("accuracy_0.1", "accuracy, 10 % of labels", 3),
    ("accuracy_1", "accuracy, all labels", 3),
)


def score_table(results: list[dict[str, Any]], columns: tuple[tuple[str, str, int], ...]) -> str:
    """A line per row of every result, with those of `columns` (score, heading, digits) that it has."""
    rows = [
        (f"{row}{result['setting']}", *(_cell(scores.get(name), digits, 1.0) for name, _, digits in columns))
        for result in results
        for row, scores in result["intervals"].items()
        if any(name in scores for name, _, _ in columns)
    ]
    return Table("", ("model", *(heading for _, heading, _ in columns)), tuple(rows)).markdown()


def claims_list(results: list[dict[str, Any]]) -> str:
    """Every claim, shown or not, with its evidence and the command that decides it."""
    lines = []
    for result in results:
        lines.append(f"- `{result['command']}`")
        for claim in result["claims"]:
            lines.append(f"  - {'shown' if claim['shown'] else '**not shown**'}: {claim['text']} ({claim['evidence']})")
    return "\n".join(lines) + "\n"


def stored(name: str) -> str:
    """The results `name*.json`: the command and the claims of each, then its first tables."""
    parts = []
    for result in _results(name):
        parts.append(claims_list([result]))
        for table in result["tables"][: STORED[name]]:
            heading = f"{table['title']}:\n\n" if table["title"] else ""
            parts.append(heading + Table(**{**table, "rows": tuple(table["rows"])}).markdown())
    return "\n".join(parts)


def _results(name: str) -> list[dict[str, Any]]:
    """The kept results of a benchmark, those of its default first."""
    paths = sorted((ROOMS / name / "results").glob("*.json"), key=lambda path: (path.stem != "default", path.stem))
    return [read_json(path, "a kept result") for path in paths]


def generated() -> dict[str, str]:
    """The generated sections of README by name."""
    planar, sprites, swept = _results("planar"), _results("sprites"), _results("beta_sweep")
    return {
        "planar": planar_table(planar),
        "claims": claims_list(planar),
        "sprites": score_table(sprites, SPRITES),
        "beta_sweep": score_table(swept, SWEPT),
        "sprites_claims": claims_list(sprites + swept),
    } | {name: stored(name) for name in STORED}


def filled(text: str) -> str:
    """README with its generated sections, between `<!-- name -->` and `<!-- /name -->`, made anew."""
    for name, section in generated().items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        found = pattern.search(text)
        if not found:
            raise ValueError(f"README has no section between <!-- {name} --> and <!-- /{name} -->")
        text = text[: found.end(1)] + section + text[found.start(2) :]
    return text


def main() -> None:
    """Rewrite README in place."""
    path = CHECKOUT / "README.md"
    write_text(path, filled(read_text(path, "README")))


if __name__ == "__main__":
    main()
