"""Numbers: a loss, a gradient or a weight that becomes NaN in the middle of a training."""

from __future__ import annotations

import random
from pathlib import Path

from benchmarks.faults.tally import Tally
from benchmarks.faults.victim import CHECKPOINT, STEPS, Spoiled, make, train
from borders.files import read_tensors


def spoiled(folder: Path, count: int, seed: int) -> Tally:
    """NaN in a loss, a gradient or a weight: named, and the last good state kept."""
    tally, draws = Tally(), random.Random(seed)
    for what in ("loss", "gradient", "weight"):
        for k in range(max(count // 10, 1)):
            run, model = folder / f"{what}-{k}", make()
            model.objectives = Spoiled(model, what, draws.randrange(150, STEPS)).objectives  # type: ignore[method-assign]
            try:
                train(run, model=model, checkpoint_every=50)
                tally.note(f"a {what} that is no number went unnoticed")
            except FloatingPointError as error:
                tally.note("" if "the last good state" in str(error) else f"no good state was named: {error}")
            bad = [
                name for name, value in read_tensors(run / CHECKPOINT, "it")[0].items() if not value.isfinite().all()
            ]
            tally.lost += [f"the checkpoint holds NaN in {bad[0]}"] if bad else []
            tally.lost += ["a spoiled model was saved"] if (run / "model").exists() else []
    return tally
