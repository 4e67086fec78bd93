"""What jade, paired_classifier and single_classifier show: Table 1, and the activations of figure 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.papers import Cells, Found, Told, cells_of, gap, over
from benchmarks.harness.table import DOWN, UP, Claim, Table, interval, over_seeds

PUBLISHED = {
    "single_classifier": ("32.31 ± 1.56", "-"),
    "paired_classifier": ("30.17 ± 2.77", "0.82 ± 0.05"),
    "jade": ("29.08 ± 0.92", "0.72 ± 0.03"),
}
UNITS = {
    "within_content": f"variance within a class, content{DOWN}",
    "within_style": f"style{UP}",
    "kl_content": "KL content, nats",
    "kl_style": "style, nats",
    "used_content": "units used, content",
    "used_style": "style",
}


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Errors, the paired differences, what jade's units do; claims; the first seed's pictures."""
    cells = cells_of(results)
    title = f"preset {results[0].job.preset}; {over_seeds(len({each.job.seed for each in results}))}"
    lines = [(f"{model}, published", "100 (SVHN, MNIST)", *errors, "-") for model, errors in PUBLISHED.items()]
    for (model, variant), rows in cells.items():
        second = over(rows, "error_secondary", 100).text(2) if "error_secondary" in rows[0].scores else "-"
        lines.append((model, variant, over(rows, "error", 100).text(2), second, over(rows, "trained", 100).text(2)))
    columns = (
        "model",
        "labels a class",
        f"error %{DOWN}",
        f"error % of the secondary{DOWN}",
        f"on its own pictures %{DOWN}",
    )
    made = [Table(f"jade and its baselines: classes of house numbers read wrongly, {title}", columns, tuple(lines))]
    seen = [
        (variant, *(over(rows, name).text(2) for name in UNITS))
        for (model, variant), rows in cells.items()
        if model == "jade"
    ]
    if seen:
        made.append(Table(f"jade: the units of its code, {title}", ("labels a class", *UNITS.values()), tuple(seen)))
    captions = {
        "activations.png": "figure 2: the spread of each unit, content left of the line, within each class and over all",
        "decoded.png": "house numbers of the test, decoded, and with the content of another",
    }
    pictures = {
        f"jade, {variant}: {caption}": rows[0].folder / name
        for (model, variant), rows in cells.items()
        for name, caption in captions.items()
        if model == "jade" and (rows[0].folder / name).exists()
    }
    return Told(made, claims(cells), pictures)


def claims(cells: Cells) -> list[Claim]:
    """Whether each model errs less than the one below it, by the interval of paired differences."""
    made = []
    for variant in dict.fromkeys(variant for _, variant in cells):
        for better, worse in (("paired_classifier", "single_classifier"), ("jade", "paired_classifier")):
            first, second = cells.get((worse, variant)), cells.get((better, variant))
            if first and second:
                found = gap(first, second)
                shown = True if found.low > 0 else False if found.high < 0 else None
                evidence = f"{found.text(2)} points less, over {len(found.values)} pairs"
                made.append(Claim(f"{variant}: {better} errs less than {worse}", shown, evidence))
        if ("jade", variant) in cells:
            rows = cells["jade", variant]
            apart = interval([row.scores["within_style"] - row.scores["within_content"] for row in rows])
            text = f"{variant}: within a class jade's content varies less than its style, in shares of the variance over all"
            evidence = f"{over(rows, 'within_content').text(2)} against {over(rows, 'within_style').text(2)}"
            made.append(Claim(text, apart.low > 0, evidence))
    return made


def activations(codes: Tensor, label: Tensor, content: int) -> Figure:
    """The standard deviation of every unit within each class, and over all, in that over all (figure 2)."""
    total = codes.std(0).clamp(min=1e-6)
    within = (np.stack([(codes[label == k].std(0) / total).numpy() for k in range(10)]), np.ones((1, codes.shape[1])))
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(10, 3))
    image = top.imshow(within[0], vmin=0, vmax=1.2, cmap="viridis", aspect="auto")
    top.set(yticks=range(10), ylabel="class", xticks=[])
    figure.colorbar(image, ax=top, label="within / all")
    bottom.bar(range(codes.shape[1]), codes.std(0).numpy(), color="grey")
    bottom.set(xlim=(-0.5, codes.shape[1] - 0.5), ylabel="over all", xlabel="unit of the code: content, style")
    for axes in (top, bottom):
        axes.axvline(content - 0.5, color="red")
    return figure
