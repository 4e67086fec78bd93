"""What a training says of itself: its log, events for TensorBoard, and what it says where it ends early."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from borders.files import read_log, write_text
from representations.checkpoint import Standing


def number(key: str, total: Any) -> float:
    """What is logged as `key`, as a number; TypeError where it is none."""
    try:
        return float(total)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"the log {key} must be a number or a tensor of one, got {total!r}") from None


def diverged(bad: list[str], since: int, done: int, checkpoint: Path | None, good: int | None) -> str:
    """What stopped being finite between two steps, and which state, of step `good`, is kept."""
    said = f"{', '.join(bad)} stopped being finite between steps {since} and {done}"
    if checkpoint is None:
        return said
    kept = f"the last good state, of step {good}, is kept in {checkpoint}" if good else "no state was saved before"
    return f"{said}; {kept}"


def event_board(folder: Path, start: int) -> Any:
    """A writer of TensorBoard's events, those behind step `start` dropped; ImportError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError("tensorboard=True needs the package tensorboard: pip install -e '.[cluster]'") from None
    return SummaryWriter(str(folder), purge_step=start + 1)


def keep_log(path: Path, standing: Standing) -> list[dict[str, float]]:
    """Cut the log back to the checkpoint's step, and return its lines; ValueError where it does not reach so far."""
    what = f"the log of a training up to step {standing.since}"
    kept = []
    if standing.since:
        kept = [line for line in read_log(path, what, ("step",)) if line["step"] <= standing.step]
        if not kept or kept[-1]["step"] != standing.since:
            raise ValueError(
                f"{path} should be {what}, but it ends at {kept[-1]['step'] if kept else 0}: cut, or another's"
            )
    write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
    return kept
