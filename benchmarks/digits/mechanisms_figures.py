"""The figures of causal_mechanisms: what experts make of digits, who won what, and how both went as they competed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.autoencoding import sheet
from borders.files.pictures import write_figure
from representations.causal_mechanisms import CausalMechanisms
from representations.model import levels

COLOUR = (40, 160, 40)  # of the frame around a winner's output


def framed(pictures: Tensor, wanted: Tensor) -> Tensor:
    """Float pictures [n, 1, H, W] as uint8 [n, 3, H, W], those that are `wanted` [n] in a frame."""
    found = levels(pictures).expand(-1, 3, -1, -1).clone()
    inside = torch.zeros(pictures.shape[-2:], dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    edge = wanted[:, None, None] & ~inside
    colour = torch.tensor(COLOUR, dtype=torch.uint8)
    found.permute(0, 2, 3, 1)[edge] = colour
    return found


@torch.no_grad()
def tried(model: CausalMechanisms, seen: Tensor, mechanisms: Sequence[str], path: Path) -> None:
    """What every expert makes of one picture [n, 1, H, W] of each of the mechanisms (figure 2); the winner's is framed."""
    made, logits = model.scores(seen)
    won = logits.argmax(1)
    lines = [framed(seen, torch.zeros(len(seen), dtype=torch.bool))]
    lines += [framed(made[:, j], won == j) for j in range(model.code_size)]
    figure = sheet(lines, ["input", *(f"expert {j}" for j in range(model.code_size))])
    width = seen.shape[-1] + 2  # of a picture in the sheet
    figure.axes[0].set_xticks([(i + 0.5) * width for i in range(len(seen))], mechanisms, fontsize=7)
    write_figure(figure, path)


def before_and_after(model: CausalMechanisms, seen: Tensor, original: Tensor, path: Path) -> None:
    """Pictures as seen, as the winners restore them, and as they were (figure 3)."""
    plain = torch.zeros(len(seen), dtype=torch.bool)
    lines = [framed(each, plain) for each in (seen, model.restore(seen)[0], original)]
    write_figure(sheet(lines, ["seen", "restored", "original"]), path)


def shares(wins: dict[str, Tensor], mechanisms: tuple[str, ...]) -> Figure:
    """Who won what share of every mechanism's pictures, a map for each kind of glyph."""
    experts = next(iter(wins.values())).shape[1]
    figure = Figure(
        figsize=(1.6 + max(1.5, 0.45 * experts) * len(wins), 1.0 + 0.3 * len(mechanisms)), layout="constrained"
    )
    axes = figure.subplots(1, len(wins), squeeze=False, sharey=True)[0]
    for place, (name, share) in zip(axes, wins.items(), strict=True):
        place.imshow(np.asarray(share), vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (row, column), value in np.ndenumerate(np.asarray(share)):
            if value >= 0.05:
                colour = "white" if value > 0.5 else "black"
                place.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
        place.set(title=f"{name}: % won", xlabel="expert", xticks=range(experts))
        place.set_yticks(range(len(mechanisms)), mechanisms)
    return figure


def iterations(curve: Sequence[Mapping[str, Any]], bounds: Mapping[str, float], mechanisms: Sequence[str]) -> Figure:
    """The judge's accuracy on restored digits as experts compete (figure 4), and who wins each mechanism (figure 5).

    `curve` has at some steps the `accuracy` and the shares `wins` [mechanisms, experts]; `bounds` are drawn dashed. An
    expert has one colour; only those are drawn that ever win a quarter of a mechanism.
    """
    steps = [each["step"] for each in curve]
    wins = np.array([each["wins"] for each in curve])  # [checks, mechanisms, experts]
    columns = min(3 if len(mechanisms) % 5 else 5, len(mechanisms))
    rows = -(-len(mechanisms) // columns)
    figure = Figure(figsize=(9, 2.4 + 1.5 * rows), layout="constrained")
    above, below = np.asarray(figure.subfigures(2, 1, height_ratios=[2.4, 1.5 * rows]))
    place = above.subplots()
    place.plot(steps, [100 * each["accuracy"] for each in curve], marker=".", label="restored")
    for name, value in bounds.items():
        place.axhline(100 * value, linestyle="--", linewidth=1, color="grey")
        place.text(0, 100 * value + 1, name, fontsize=8, color="grey")
    place.set(xlabel="steps", xlim=(0, None), ylabel="told by the judge, %", ylim=(0, 105))
    axes = below.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    lines: dict[int, Any] = {}
    for k, name in enumerate(mechanisms):
        for expert in range(wins.shape[2]):
            if wins[:, k, expert].max() >= 0.25:
                lines[expert] = axes[k].plot(steps, 100 * wins[:, k, expert], color=f"C{expert}")[0]
        axes[k].set_title(name, fontsize=8)
    for empty in axes[len(mechanisms) :]:
        empty.set_visible(False)
    below.supylabel("won, %", fontsize=8)
    labels = sorted(lines)
    below.legend(
        [lines[k] for k in labels], [str(k) for k in labels], title="expert", loc="outside right center", fontsize=8
    )
    return figure
