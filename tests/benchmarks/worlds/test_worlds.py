import json

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

import envs
from benchmarks.worlds.run import main, speed, traversals
from envs.digits import Digits
from envs.moving_digits import MovingDigits
from envs.shape_motion import ShapeMotion
from envs.world import Factor, World

torch.set_num_threads(1)


class Line(World):
    """Points on a line in space."""

    def __init__(self):
        self.shape = (3,)
        self.factors = (Factor.continuous("along", 0, 1),)

    def _render(self, factors):
        return factors.repeat(1, 3)


WORLDS = {"line": Line, "shape_motion": ShapeMotion, "digits": Digits, "moving_digits": MovingDigits}


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_traversal_changes_one_factor_along_its_grid():
    world = ShapeMotion()
    rows = traversals(world, 5, generator())
    assert [len(values) for values, _ in rows] == [2, 5, 5, 5, 4, 5, 5]
    for factor, (values, pictures) in zip(world.factors, rows, strict=True):
        assert torch.equal(values, factor.grid(5))
        assert pictures.shape == (len(values), 3, 64, 64)
        assert len(pictures.unique(dim=0)) == len(values)


def test_every_world_leaves_its_pictures_and_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(envs.WORLDS, "line", Line)
    out, small = tmp_path / "new", ["--columns", "3", "--batch", "4", "--repeats", "2", "--frames", "5"]
    main(["--world", ",".join(WORLDS), "--out", str(out), *small])
    places = {name: next(out.glob(f"{name}-seed0-*")) for name in WORLDS}
    drawn = {
        name: {path.name for path in place.iterdir() if path.suffix in (".png", ".gif")}
        for name, place in places.items()
    }
    sheet = {"factors.png"}
    assert drawn == {
        name: sheet | ({"clips.gif"} if name in ("shape_motion", "moving_digits") else set()) for name in WORLDS
    }
    for place in places.values():
        assert imageio.imread(place / "factors.png").std() > 1
    gif = imageio.imread(places["shape_motion"] / "clips.gif")
    assert gif.shape == (5, 132, 264, 3)
    clips = ShapeMotion().clip(8, 5, _after_sheet(ShapeMotion())).frames
    for place, clip in ((0, 0), (1, 5)):
        seen = gif[2, place * 66 + 1 : place * 66 + 65, place * 66 + 1 : place * 66 + 65]
        assert np.abs(seen.astype(int) - clips[clip, 2].movedim(0, -1).numpy()).max() <= 8  # a palette of 256 colours
    result = json.loads((out / "result.json").read_text())
    assert {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"} <= set(result)
    assert all(score["per_second"] > 0 for score in result["scores"].values())
    assert {"torch", "revision"} <= set(result["versions"])
    assert (out / "report.html").read_text().count("data:image/") == len(WORLDS) + 2
    table = capsys.readouterr().out
    assert all(name in table for name in WORLDS)
    assert "with 1 threads" in table


def _after_sheet(world: World) -> torch.Generator:
    rest = generator()
    traversals(world, 3, rest)
    return rest


def test_bad_settings_are_named(tmp_path):
    with pytest.raises(SystemExit, match="unknown world 'cubes'; the worlds are"):
        main(["--out", str(tmp_path), "--world", "cubes"])
    with pytest.raises(SystemExit, match="repeats must be at least 1, got 0"):
        main(["--repeats", "0"])


def test_shape_motion_is_fast():
    """The budget is 20,000 frames a second on two cores; processor time keeps a busy machine out of it."""
    assert speed(ShapeMotion(), 256, 9, generator())["per_processor_second"] > 10_000
