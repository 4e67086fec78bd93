"""What is measured of causal_mechanisms: who wins which digits and letters, what is undone, and what a judge tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.digits.judge import Judge
from benchmarks.digits.letters import letters
from benchmarks.harness.autoencoding import seeded
from benchmarks.metrics import score_codes
from borders.files import append_line, read_log
from envs.transformed_digits import GRAINS, TransformedDigits, transform
from envs.world import Factor
from representations.causal_mechanisms import CausalMechanisms
from representations.model import pixels

TEST_SEED = 10_000


class Views(NamedTuple):
    """Pictures that a mechanism changed, and what they were: float [n, C, H, W]; the mechanism's class from 1 on [n]."""

    seen: Tensor
    original: Tensor
    mechanism: Tensor


def each_mechanism(world: TransformedDigits, n: int) -> Tensor:
    """`n` rows of every mechanism, of the same digits, those of the first mechanism first."""
    rows = world.sample(n, seeded(TEST_SEED)).repeat(len(world.mechanisms), 1)
    rows[:, 0] = 1 + torch.arange(len(world.mechanisms)).repeat_interleave(n)
    return rows


def views(world: TransformedDigits, rows: Tensor) -> Views:
    """The pictures of rows, and their originals."""
    original = rows.clone()
    original[:, 0] = 0
    return Views(pixels(world.render(rows)), pixels(world.render(original)), rows[:, 0].long())


def of_letters(mechanisms: tuple[str, ...], side: int) -> Views:
    """The alphabet under every mechanism, those of the first mechanism first."""
    plain = letters(side)
    grain = torch.arange(len(plain)) % GRAINS
    seen = torch.cat([transform(plain, name, grain) for name in mechanisms])
    kinds = 1 + torch.arange(len(mechanisms)).repeat_interleave(len(plain))
    return Views(seen, plain.repeat(len(mechanisms), 1, 1, 1), kinds)


def errors(pictures: Tensor, original: Tensor, mechanism: Tensor) -> Tensor:
    """The mean squared error of a pixel for every mechanism: [mechanisms]."""
    each = (pictures - original).square().flatten(1).mean(1)
    return torch.stack([each[mechanism == kind].mean() for kind in mechanism.unique()])


def counts(mechanism: Tensor, won: Tensor, experts: int) -> Tensor:
    """The share of every mechanism's pictures that every expert won: [mechanisms, experts]."""
    kinds = mechanism.unique()
    return torch.stack([torch.bincount(won[mechanism == k], minlength=experts) / (mechanism == k).sum() for k in kinds])


@torch.no_grad()
def measure(
    model: CausalMechanisms, judge: Judge, world: TransformedDigits, rows: Tensor
) -> tuple[dict[str, float], Tensor]:
    """What the experts do with test digits of all mechanisms; and who won how much, [mechanisms, experts].

    A mechanism's expert is the one that wins most of its pictures, and it counts as undone where at most half of its squared
    error is left. `own` is 1 where all mechanisms have different experts, as many as there are mechanisms.
    """
    seen, original, mechanism = views(world, rows)
    restored, won = model.restore(seen)
    wins, label = counts(mechanism, won, model.code_size), rows[:, 1]
    best, different = wins.argmax(1), len(set(wins.argmax(1).tolist()))
    before, after = errors(seen, original, mechanism), errors(restored, original, mechanism)
    found = {
        "accuracy_clean": judge.accuracy(original, label),
        "accuracy_transformed": judge.accuracy(seen, label),
        "accuracy_restored": judge.accuracy(restored, label),
        "own": float(different == len(wins)),
        "experts_used": float(different),
        "won_by_own": wins[torch.arange(len(wins)), best].mean().item(),
        "undone": float((after <= before / 2).sum()),
        "error_before": before.mean().item(),
        "error_after": after.mean().item(),
    }
    if model.code_size > 1:
        kinds = [Factor.categorical("mechanism", len(world.mechanisms) + 1), world.factors[1]]
        scored = score_codes(model.encode(seen), rows[:, :2], kinds, ["mig", "explicitness"])
        found |= {name: scored[name] for name in ("mig", "explicitness")}
    return found, wins


@torch.no_grad()
def transfer(
    model: CausalMechanisms, best: Tensor, mechanisms: tuple[str, ...], side: int
) -> tuple[dict[str, float], Tensor]:
    """The same of letters, which expert won being compared with who wins the mechanism's digits, `best` [mechanisms].

    A letter is told by the nearest of the plain alphabet; `letters_undone` takes each mechanism's own expert, unasked.
    """
    seen, original, mechanism = of_letters(mechanisms, side)
    restored, won = model.restore(seen)
    own = model.apply_expert(seen, best[mechanism - 1])
    before, after = errors(seen, original, mechanism), errors(own, original, mechanism)
    truth = torch.arange(len(seen)) % 26
    plain = letters(side).flatten(1)

    def told(pictures: Tensor) -> float:
        return (torch.cdist(pictures.flatten(1), plain).argmin(1) == truth).float().mean().item()

    found = {
        "letters_transformed": told(seen),
        "letters_restored": told(restored),
        "letters_same_expert": (won == best[mechanism - 1]).float().mean().item(),
        "letters_undone": float((after <= before / 2).sum()),
    }
    return found, counts(mechanism, won, model.code_size)


class Competition:
    """Looks at test digits every `every` steps of a training: who wins them, and how many the judge tells once restored.

    What was seen is a line of the file at `path`; a training that was stopped goes on with the lines up to where it stands.
    """

    def __init__(
        self, model: CausalMechanisms, judge: Judge, world: TransformedDigits, rows: Tensor, every: int, path: Path
    ):
        self.model, self.judge, self.every, self.path = model, judge, every, path
        self.views, self.label = views(world, rows), rows[:, 1]

    @torch.no_grad()
    def __call__(self, step: int) -> None:
        """Look, if it is time, behind step `step`; never if `every` is 0."""
        if not self.every or step % self.every:
            return
        self.model.eval()
        restored, won = self.model.restore(self.views.seen.to(next(self.model.parameters()).device))
        self.model.train()
        told = self.judge.accuracy(restored.cpu(), self.label)
        wins = counts(self.views.mechanism, won.cpu(), self.model.code_size).tolist()
        append_line(self.path, json.dumps({"step": step, "accuracy": told, "wins": wins}))

    def curve(self) -> list[dict[str, Any]]:
        """What was seen, by step: of a step that was taken twice, as a run was continued, what was seen last."""
        if not self.path.exists():
            return []
        lines = read_log(self.path, "what test digits looked like", ("step", "accuracy", "wins"))
        return [found for _, found in sorted({line["step"]: line for line in lines}.items())]
