"""The planar benchmark end to end, small; its measures on hand-made drives; its command line's errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks.harness.command import parse
from benchmarks.harness.control import Drive
from benchmarks.harness.options import Sweep
from benchmarks.harness.table import interval
from benchmarks.planar import run as planar

NAMES = ("reconstruction", "prediction", "planning", "success", "time_in_goal", "map_r2")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    out = tmp_path_factory.mktemp("planar") / "run"
    planar.main(["--preset", "quick", "--model", "dyn_content", "--seed", "3", "--workers", "1", "--out", str(out)])
    return out


def test_a_run_leaves_everything_that_is_promised(quick):
    result = json.loads((quick / "result.json").read_text())
    assert {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"} <= result.keys()
    assert (result["benchmark"], result["model"], result["preset"], result["seed"]) == (
        "planar",
        "dyn_content",
        "quick",
        3,
    )
    assert {f"{s}_{name}" for s in "xy" for name in NAMES} <= result["scores"].keys()
    for name in ("config.yaml", "log.jsonl", "figure_3.png", "maps.png", "run_x.gif", "run_y.gif", "report.html"):
        assert (quick / name).stat().st_size > 0, name
    assert (quick / "model" / "model.safetensors").exists()
    assert yaml.safe_load((quick / "config.yaml").read_text())["seed"] == 3
    assert "data:image/png;base64" in (quick / "report.html").read_text()
    bounds = [json.loads(path.read_text()) for path in (quick / "bounds").glob("*/result.json")]
    oracle = next(b["scores"] for b in bounds if b["model"] == "oracle")
    random = next(b["scores"] for b in bounds if b["model"] == "random")
    assert oracle["x_success"] == 1
    assert random["x_time_in_goal"] < 0.1 < oracle["x_time_in_goal"]


def test_the_same_seed_gives_the_same_scores_and_a_finished_run_is_kept(quick, tmp_path, capsys):
    first = json.loads((quick / "result.json").read_text())
    command = ["--preset", "quick", "--seed", "3", "--workers", "1"]
    script = "import torch; torch.set_num_threads(1); from benchmarks.planar import main; main()"  # as many as here
    words = [sys.executable, "-c", script, *command, "--model", "dyn_content", "--out", str(tmp_path / "again")]
    other = os.environ | {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run(words, check=True, cwd=Path(__file__).parents[3], env=other, capture_output=True)
    again = json.loads((tmp_path / "again" / "result.json").read_text())
    assert again["scores"] == first["scores"]  # to the last bit, in another process
    before = (quick / "log.jsonl").stat().st_mtime_ns
    planar.main([*command, "--out", str(quick)])
    assert (quick / "log.jsonl").stat().st_mtime_ns == before
    assert "dyn_content" in capsys.readouterr().out


def test_another_configuration_or_a_foreign_folder_is_refused(quick, tmp_path):
    with pytest.raises(SystemExit, match="another configuration"):
        planar.main(["--preset", "quick", "--seed", "4", "--out", str(quick)])
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(SystemExit, match="not empty and not a run"):
        planar.main(["--preset", "quick", "--seed", "4", "--out", str(tmp_path)])
    with pytest.raises(SystemExit, match="is a file"):
        planar.main(["--preset", "quick", "--seed", "4", "--out", str(tmp_path / "letters.txt")])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "dyn_contnt"], "unknown model 'dyn_contnt'; the models are dyn_content"),
        (["--preset", "huge"], "quick, default, paper"),
        (["--stepz", "3"], "unknown option '--stepz'; the options are --steps"),
        (["--noise", "loud"], "noise"),
        (["--seeds", "0"], "seeds must be at least 1"),
        (["--protocol", "xyz"], "protocol"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_named(words, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        planar.main([*words, "--out", str(tmp_path / "run")])
    assert told in str(caught.value) + capsys.readouterr().err


@pytest.mark.parametrize(("words", "resume"), [([], True), (["--resume"], True), (["--no-resume"], False)])
def test_resume_is_on_unless_told(words, resume):
    assert parse("planar", Sweep, planar.PlanarJob, words)[0].resume is resume


def drive_of(distances):
    distance = torch.tensor(distances)
    n, t = distance.shape
    return Drive(torch.zeros(n, t + 1, 3), torch.zeros(n, 3), torch.ones(n, t, 2), distance, 2.0, [])


def test_success_is_arriving_and_staying():
    scores = drive_of([[5.0, 1.0, 1.0, 2.0], [5.0, 1.0, 3.0, 1.0], [9.0, 9.0, 9.0, 9.0]]).scores()
    assert scores["reached"] == pytest.approx(2 / 3)
    assert scores["held"] == pytest.approx(1 / 3)
    assert scores["time_in_goal"] == pytest.approx(5 / 12)
    assert scores["planning_pixels"] == pytest.approx((25 + 1 + 1 + 4 + 25 + 1 + 9 + 1 + 4 * 81) / 3)
    assert scores["planning"] == pytest.approx(scores["planning_pixels"] / 1600)
    assert scores["effort"] == 8


class Affine:
    """A code that is the position, folded along the middle if asked."""

    def __init__(self, fold):
        self.fold = fold

    def encode(self, pictures):
        agent = (pictures > 0) & ~self.scene
        weight = agent.flatten(1).float()
        rows = torch.arange(40.0).repeat_interleave(40)
        columns = torch.arange(40.0).repeat(40)
        code = torch.stack([weight @ rows, weight @ columns], 1) / weight.sum(1, keepdim=True)
        return torch.stack([(code[:, 0] - 20).abs(), code[:, 1]], 1) if self.fold else code


def test_the_map_of_positions_is_perfect_and_a_fold_is_found():
    world = planar.Planar(shapes=("square",))
    agents = world.render(torch.tensor([[5.0, 5.0, 0.0], [35.0, 35.0, 0.0]])) > 0
    for fold in (False, True):
        model = Affine(fold)
        model.scene = agents.all(0)
        found = planar.map_quality(model, world, 0)
        assert (found["r2"] > 0.999) is not fold
        assert (found["folds"] > 0.3) is fold
        assert (found["neighbours"] > 0.95) is not fold


def test_an_interval_holds_its_mean_and_one_seed_has_none():
    found = interval([1.0, 2.0, 4.0])
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(7 / 3)
    assert interval([3.0]).low == interval([3.0]).high == 3
    assert interval([1.0, 1.0]).text(1) == "1.0"


def test_published_moves_are_whole_pixels_that_nothing_blocks(generator):
    world = planar.PlanarJob(protocol="pcc", x_shape="pair").world()
    drawn = planar.triples(world, 500, 0, generator, planar.published_moves)
    moved = drawn.following[:, :2] - drawn.factors[:, :2]
    torch.testing.assert_close(moved, drawn.actions)
    assert (drawn.actions - drawn.actions.round()).abs().max() <= 0.1
    assert torch.equal(drawn.factors[:, :2], drawn.factors[:, :2].round())
    assert len(drawn.actions.round().unique(dim=0)) > 40  # of the 49 whole moves
