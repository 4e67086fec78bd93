"""Pictures of structured_vae and m2: visual analogies and the grid of styles (Siddharth et al. 2016, figure 3)."""

from __future__ import annotations

from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.autoencoding import draw, sheet
from borders.files.pictures import write_figure
from representations.parts.latent_graph import GraphVAE

EXAMPLES = 8
SIDE = 9  # styles along either axis of the grid
REACH = 2.0  # standard deviations of the prior


@torch.no_grad()
def figures(model: GraphVAE, x: Tensor, labels: Tensor, folder: Path) -> None:
    """Draw analogies of test pictures uint8 [n, C, H, W], one of each label [n, k] or so; and two dimensions of style."""
    first = torch.stack([(labels[:, 0] == k).nonzero()[0, 0] for k in range(10)])
    seen = x[first[:EXAMPLES]]
    code = model.encode(seen)
    lines, names = [], []
    for name in model.graph.classes:
        for row in range(len(seen)):
            codes = code[row].repeat(10, 1)
            codes[:, model.graph.place[name]] = torch.eye(10)
            lines.append(torch.cat([seen[row : row + 1], draw(model, code[row : row + 1]), draw(model, codes)]))
            names.append(name)
    heads = ["seen", "decoded", *map(str, range(10))]
    figure = sheet(lines, names)
    axes = figure.axes[0]
    height, width = (side + 2 for side in lines[0].shape[-2:])
    figure.set_size_inches(9.6, 0.3 + 9 * len(lines) * height / (len(heads) * width))
    axes.set_xticks([(k + 0.5) * width for k in range(len(heads))], heads, fontsize=7)
    axes.xaxis.tick_top()
    write_figure(figure, folder / "analogies.png", dpi=110)
    style = model.graph.nodes["style"].size
    if style == 2 and model.graph.classes == ("digit",):
        write_figure(style_grid(model), folder / "styles.png", dpi=110)


def style_grid(model: GraphVAE) -> Figure:
    """Every digit over a grid of two-dimensional styles, from -2 to 2 of either."""
    axis = torch.linspace(-REACH, REACH, SIDE)
    styles = torch.cartesian_prod(axis.flip(0), axis)
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    for k in range(10):
        code = torch.zeros(len(styles), model.code_size)
        code[:, model.graph.place["digit"]] = torch.eye(10)[k]
        code[:, model.graph.place["style"]] = styles
        pictures = draw(model, code)
        channels, height, width = pictures.shape[1:]
        grid = pictures.view(SIDE, SIDE, channels, height, width).permute(0, 3, 1, 4, 2)
        axes = figure.add_subplot(2, 5, k + 1)
        axes.imshow(grid.reshape(SIDE * height, SIDE * width, channels).expand(-1, -1, 3).numpy())
        axes.set(xticks=[], yticks=[])
    return figure
