"""The leaderboard as one self-contained page: a chart to choose from, a table to sort and to filter, and the ladder.

A point that is pointed at shows what its code tells: the states along its widest axes, as the world draws them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import torch
from torch.nn import functional

from benchmarks.harness.kept import kept
from benchmarks.harness.rooms import room
from benchmarks.harness.table import Claim
from benchmarks.leaderboard.transfer import PLACES
from benchmarks.metrics.control import make_task
from borders.files import read_bytes, read_text, write_text
from borders.files.pictures import png_of

FACTORS = {
    "disentangled": "disentanglement (mean rank of DCI and MIG)",
    "dci_lasso": "DCI, lasso",
    "dci_forest": "DCI, forest",
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "interventions": "intervention matrix",
    "informativeness": "informativeness",
    "reconstruction": "pixels explained",
}
CONTROLS = {
    "control": "control (mean)",
    "placebo_ilqr": "full model",
    "sparse": "sparse models",
    "factor_axes": "set one factor",
    "factor_readout": "set one factor, by a readout",
    "inverse_network": "inverse model",
    "policy_area": "PPO, area",
    **PLACES,
}
PLACE = "<!-- charts -->"
TILE = 24  # pixels a side of a picture in a traversal
LADDER, LADDER_FIGURE = "ladder", "ladder.png"


def picture(task: str, traversal: Sequence[Sequence[Sequence[float]]]) -> str:
    """A traversal, states [axes, stops, K] of a task, as a PNG in a data URI: a row of pictures an axis."""
    rows, stops = len(traversal), len(traversal[0])
    states = torch.tensor(traversal).flatten(0, 1)
    small = functional.interpolate(make_task(task).world.render(states).float(), TILE, mode="area")
    tiles = functional.pad(small, (0, 1, 0, 1), value=96).unflatten(0, (rows, stops))
    whole = tiles.permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1).round().to(torch.uint8)
    grey = whole.shape[-1] == 1
    return _embedded(png_of((whole[..., 0] if grey else whole).numpy()))


def _embedded(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def chart(rows: Sequence[Mapping[str, Any]]) -> alt.VConcatChart:
    """Disentanglement against control: the axes, the world and the learner are chosen below; bars by learner follow."""
    xs = [name for name in FACTORS if any(name in row for row in rows)]
    ys = [name for name in CONTROLS if any(name in row for row in rows)]
    every = "all"
    tasks, learners = ([every, *dict.fromkeys(row[key] for row in rows)] for key in ("task", "learner"))

    def menu(name: str, options: Sequence[str], labels: Sequence[str], first: str, title: str) -> alt.Parameter:
        bind = alt.binding_select(options=list(options), labels=list(labels), name=f"{title}: ")
        return alt.param(name=name, value=first, bind=bind)

    x = menu("across", xs, [FACTORS[k] for k in xs], xs[0], "across")
    y = menu("up", ys, [CONTROLS[k] for k in ys], ys[0], "up")
    task = menu("world", tasks, tasks, every, "world")
    learner = menu("learner", learners, learners, every, "learner")
    told = ["row", "stratum", "task", "settings", *xs, *ys]
    points = [
        {k: row.get(k) for k in told}
        | {"learner": row["learner"]}
        | ({"image": picture(row["task"], row["traversal"])} if row.get("traversal") else {})
        for row in rows
    ]
    base = (
        alt.Chart(alt.Data(values=points))
        .add_params(x, y, task, learner)
        .transform_calculate(x="datum[across]", y="datum[up]")
        .transform_filter("(world == 'all' || datum.task == world) && (learner == 'all' || datum.learner == learner)")
    )
    tips = [alt.Tooltip(f"{k}:N") for k in told[:4]]
    tips += [alt.Tooltip(f"{k}:Q", format=".2f", title=(FACTORS | CONTROLS)[k]) for k in (*xs, *ys)]
    tips.append(alt.Tooltip("image:N"))  # which the page shows as a picture
    seen = (
        base.mark_point(filled=True, size=70, opacity=0.8)
        .encode(
            x=alt.X("x:Q", title="across (choose below)"),
            y=alt.Y("y:Q", title="up (choose below): 0 random policy, 1 oracle"),
            color=alt.Color("learner:N"),
            shape=alt.Shape("stratum:N"),
            tooltip=tips,
        )
        .properties(width=640, height=380, title="every code, in every world: point at one")
    )
    bars = (
        base.mark_bar()
        .encode(
            x=alt.X("mean(y):Q", stack=None, title="mean of what is chosen as up"),
            y=alt.Y("row:N", sort="-x", title=None),
            color=alt.Color("learner:N"),
        )
        .properties(width=640, title="rows, best first")
    )
    return alt.vconcat(seen, bars)


def write_page(
    path: Path, rows: Sequence[Mapping[str, Any]], claims: Sequence[Claim], introduction: Sequence[str]
) -> None:
    """Write the page; nothing in it is loaded from elsewhere."""
    keys = ["row", "stratum", "task", "settings", *FACTORS, *CONTROLS]
    headings = FACTORS | CONTROLS
    template = jinja2.Environment(autoescape=True).from_string(
        read_text(Path(__file__).parent / "page.html", "the board's page")
    )
    text = template.render(
        introduction=introduction,
        claims=claims,
        headings=[headings.get(key, key) for key in keys],
        rows=[[_cell(row.get(key)) for key in keys] for row in rows],
        ladder=_ladder(),
        place=PLACE,
    )
    drawn = chart(rows).to_html(inline=True, fullhtml=False, output_div="charts", embed_options={"renderer": "svg"})
    write_text(path, text.replace(PLACE, drawn))


def _ladder() -> dict[str, Any] | None:
    """What the ladder's kept run found, and its figure; None where it keeps none."""
    found = room(LADDER)
    results = found.folder / "results"
    if not (results / "default.json").exists() or not (results / LADDER_FIGURE).exists():
        return None
    claims = kept(found, ["default"])["default"]["claims"]
    return {"claims": claims, "figure": _embedded(read_bytes(results / LADDER_FIGURE, "the ladder's figure"))}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
