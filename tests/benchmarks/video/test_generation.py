import json

import pytest
import torch

from benchmarks.harness.papers import Found, Job
from benchmarks.video import generation, run
from benchmarks.video.generation import drawn, grid, swapped
from benchmarks.video.generation_report import claims
from envs.shape_motion import ShapeMotion

torch.set_num_threads(1)


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    run.main(["--part=generation", "--preset=quick", "--workers=1", f"--out={out}"])
    found = json.loads((out / "result.json").read_text())
    for model, extra in (("mocogan", {"long_seen", "colour_with_content"}), ("vgan", set())):
        assert {"seen", "real_acd", "real_path", "code_mig", "untrained_mig"} | extra <= found["intervals"][
            model
        ].keys()
        folder = next(out.glob(f"{model}-*"))
        assert {file.stem for file in folder.glob("*.gif")} == ({"made", "swaps"} if extra else {"made"})
    assert found["intervals"]["vgan"]["real_acd"]["mean"] == 0
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    assert "5.02" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--part=generating", "the parts are generation"),
        ("--papers.generation.steps.vae=3", "by model"),
        ("--papers.generation.batch=5", "at most clips"),
        ("--papers.generation.settings.vgan.width=0", "width"),
        ("--papers.generation.frames=18", "multiple of 8"),
        ("--papers.generation.size=48", "size"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(option, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run.main(["--preset=quick", f"--out={tmp_path / 'run'}", option])
    assert said in str(ended.value)


def test_real_clips_are_those_of_the_seed_and_batches_are_of_them(generator):
    clips = drawn(ShapeMotion(32), 60, 13, 3)
    assert clips.shape == (60, 13, 3, 32, 32)
    assert torch.equal(clips, drawn(ShapeMotion(32), 60, 13, 3))
    batch = generation.some(clips, 7)(generator)
    assert all((clips == each).flatten(1).all(1).any() for each in batch)


class Puppets:
    """Draws a shape whose colour is its content and whose places are its path, as a generator should."""

    frames = 4

    def contents(self, n, generator):
        return 0.2 + 0.8 * torch.rand(n, 3, generator=generator)

    def paths(self, n, length, generator):
        return torch.randint(28, (n, length, 1), generator=generator).float()

    def draw(self, content, path):
        clips = torch.zeros(*path.shape[:2], 3, 32, 32)
        for clip, colour, places in zip(clips, content, path.long().squeeze(2), strict=True):
            for frame, place in zip(clip, places, strict=True):
                frame[:, 5:9, place : place + 4] = colour[:, None, None]
        return clips


def test_of_puppets_colour_goes_with_content_and_path_with_motion():
    clips = grid(Puppets(), 3, 2, 0)
    assert clips.shape == (3, 2, 4, 3, 32, 32)
    shares = swapped(Puppets(), 6)
    assert shares["colour_with_content"] == pytest.approx(1)
    assert shares["path_with_motion"] == pytest.approx(1)
    assert shares["colour_with_motion"] == pytest.approx(0, abs=1e-6)


def found(model, **scores):
    return [
        Found(
            Job(model, seed=k, paper="generation", variant=""), None, {name: v + 0.01 * k for name, v in scores.items()}
        )
        for k in range(3)
    ]


def test_claims_follow_the_figures():
    shares = {"colour_with_content": 0.9, "path_with_motion": 0.2}
    rows = {
        "mocogan": found("mocogan", acd=2.0, acd_share=0.02, long_acd=9.0, **shares),
        "vgan": found("vgan", acd=5.0, acd_share=0.01),
    }
    assert [claim.shown for claim in claims(rows)] == [True, False, False, True, False]
    assert claims({"vgan": rows["vgan"]}) == []
    assert len(claims({"mocogan": rows["mocogan"]})) == 2
