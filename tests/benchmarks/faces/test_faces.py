"""The room faces: its jobs, what is measured against oracles, and what its tables claim."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.faces import attributes, attributes_report, swiss, swiss_report
from benchmarks.faces.attributes import compared, donors, faces, turned
from benchmarks.faces.cells import build, even
from benchmarks.faces.codes import posterior, sampled, switch
from benchmarks.faces.judge import judge_of
from benchmarks.faces.run import EXPERIMENT, PARTS, Options, jobs
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Found, Job
from envs.faces import Faces
from envs.swiss_roll import SwissRoll
from representations import make
from representations.model import pixels

TINY = {"steps": 2, "batch": 8, "pool": 16, "test": 300, "judge_steps": 2, "hidden": 8, "channels": 2, "z_size": 3}
ROLL = {"steps": 2, "batch": 16, "test": 100, "hidden": 8}


@pytest.fixture(scope="module")
def world():
    return Faces(32, 0.5, 0.3, ("glasses", "facial_hair"))


def key(picture):
    """What tells pictures apart, uint8 or in [0, 1]."""
    return (picture if picture.dtype == torch.uint8 else (255 * picture).round().byte()).numpy().tobytes()


class Known:
    """The factor rows of pictures that were drawn from them."""

    def __init__(self, world, rows):
        self.known = {key(picture): row for picture, row in zip(world.render(rows), rows, strict=True)}

    def rows(self, pictures):
        return torch.stack([self.known[key(picture)] for picture in pictures])


class Renderer:
    """A learner that knows the world: its code is the picture's row, and its switch what the world draws."""

    w_size = 5

    def __init__(self, world, known):
        self.world, self.row = world, known.rows
        self.styles = [world.names.index(name) for name in ("rims", "thickness", "tint", "beard", "density")]

    def posterior(self, pictures, labels):
        rows = self.row(pictures)
        styles = rows[:, self.styles].repeat(1, 2)
        return rows, torch.zeros_like(rows), styles, torch.zeros_like(styles)

    def encode(self, pictures):
        return self.row(pictures)

    def switch(self, pictures, labels, wanted, style=None):
        rows = self.row(pictures)
        for k, name in enumerate(self.world.attributes):
            rows[:, self.world.names.index(name)] = wanted[:, k].float()
            if style is not None:
                changed = (wanted != labels)[:, k]
                own = [3, 4] if k else [0, 1, 2]
                for place in own:
                    at = self.styles[place]
                    rows[:, at] = torch.where(changed, style[:, 5 * k + place], rows[:, at])
        return pixels(self.world.render(rows))


def test_jobs_are_of_both_parts_and_every_cell(tmp_path):
    found = jobs(
        Sweep(preset="quick", seeds=2), Options("", {"attributes": TINY | {"hides": [10.0, 100.0]}, "swiss": ROLL})
    )
    assert {job.row for job in found} == {
        *("csvae, roll", "csvae, roll, b4 = 1000", "cond_vae, roll", "cond_vae_info, roll"),
        *("csvae, faces", "csvae, faces, b4 = 100", "cond_vae, faces", "cond_vae_info, faces"),
        "cond_vae_info, faces, b4 = 100",
    }
    assert len(found) == 18
    strong = next(job for job in found if job.row == "csvae, faces, b4 = 100")
    assert build("csvae", attributes.Sizes(**strong.settings), 2).hide == 100
    roll = jobs(Sweep(model="csvae"), Options("swiss", {"attributes": TINY, "swiss": ROLL}))
    assert {job.paper for job in roll} == {"swiss"}
    with pytest.raises(ValueError, match="unknown part 'swis'; the parts are swiss"):
        jobs(Sweep(), Options("swis", {}))
    with pytest.raises(ValueError, match=r"papers\.attributes has no setting 'step'; its settings are steps"):
        jobs(Sweep(), Options("attributes", {"attributes": TINY | {"step": 1}}))


def test_what_a_learner_that_knows_the_renderer_would_score(world):
    test, other = faces(world, 300, 1), faces(world, 400, 2)
    rows = [test.rows, other.rows]
    for k, name in enumerate(world.attributes):
        rows.append(turned(world, test, name, torch.arange(300))[1])
        rows.append(turned(world, test, name, donors(test, k, seeded(attributes.TEST_SEED + 1)))[1])
    known = Known(world, torch.cat(rows))
    places = [world.names.index(name) for name in world.attributes]
    scores = compared(Renderer(world, known), world, lambda x: known.rows(x)[:, places], test)
    assert scores["accuracy"] == scores["on"] == scores["off"] == scores["rest"] == scores["true"] == 1
    assert scores["still"] == 0
    assert scores["error"] == scores["identity"] == scores["identity_there"] == 0
    assert scores["nothing_there"] > 10 * scores["nothing"] > 0
    told = attributes.read(Renderer(world, known), world, test, other)
    assert told["style_w"] > 0.7 > told["style_chance"]
    assert told["mig"] > 0.5  # a row is its own factors


def test_true_rows_have_the_donors_style_where_the_attribute_comes(world):
    test = faces(world, 60, 3)
    giver = donors(test, 0, seeded(0))
    assert (test.labels[giver, 0] == 1).all()
    wanted, rows = turned(world, test, "glasses", giver)
    assert torch.equal(wanted[:, 0], 1 - test.labels[:, 0])
    assert torch.equal(wanted[:, 1], test.labels[:, 1])
    comes = int((wanted[:, 0] == 1).nonzero()[0, 0])
    row = test.rows[comes].clone()
    for name in ("glasses", "rims", "thickness", "tint"):
        row[world.names.index(name)] = test.rows[giver[comes], world.names.index(name)]
    row[world.names.index("glasses")] = 1
    assert torch.equal(rows[comes], row)


def test_codes_are_read_from_as_many_with_an_attribute_as_without():
    labels = torch.tensor([1, 0, 0, 0, 1, 0.0])
    assert even(labels).tolist() == [0, 4, 1, 2]


def test_a_judge_learns_to_see_glasses_and_leaves_torchs_noise_alone(world):
    torch.manual_seed(3)
    before = torch.rand(1)
    torch.manual_seed(3)
    judge = judge_of(32, ("glasses",), 0.3, 60)
    assert torch.equal(torch.rand(1), before)
    test = faces(Faces(32, 0.5, 0.3, ("glasses",)), 300, 5)
    assert (judge(test.pictures) == test.labels).float().mean() > 0.75


def test_parts_of_codes_are_put_together_and_drawn_in_parts(generator, monkeypatch):
    monkeypatch.setattr("benchmarks.faces.codes.CHUNK", 3)
    for name in ("csvae", "cond_vae", "cond_vae_info"):
        torch.manual_seed(0)
        model = make(name, shape=(4,), attributes=2, z_size=3, hidden=8).eval()
        x, y = torch.rand(7, 4, generator=generator), torch.randint(2, (7, 2), generator=generator).float()
        codes = posterior(model, x, y)
        assert len(codes) == (4 if name == "csvae" else 2)
        whole = model.posterior(x) if name == "cond_vae_info" else model.posterior(x, y)
        for part, wanted in zip(codes, whole, strict=True):
            torch.testing.assert_close(part, wanted)
        torch.testing.assert_close(switch(model, x, y, 1 - y), model.switch(x, y, 1 - y))
    many = tuple(torch.full((20_000, 1), value) for value in (2.0, 2 * torch.tensor(0.5).log().item()))
    drawn = sampled(many, generator)
    assert drawn.mean().item() == pytest.approx(2, abs=0.02)  # 5 standard errors
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)


class OnTheRoll(nn.Module):
    """A learner of the roll whose z is the height, and which carries points across the plane along it."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    def posterior(self, x, y):
        z = x[:, 1:2]
        return z, torch.full_like(z, -20.0), x[:, :1], torch.zeros_like(z)

    def switch(self, x, y, wanted):
        near, labels = swiss.points(self.world, 4000, seeded(9))
        found = x.clone()
        for value in (0.0, 1.0):
            rows = (wanted[:, 0] == value) & (y[:, 0] != value)
            those = near[labels[:, 0] == value]
            found[rows] = those[: int(rows.sum())]
        return found


def test_an_oracle_of_the_roll_hides_the_label_and_stays_on_the_roll():
    world = SwissRoll()
    scores = swiss.measure(OnTheRoll(world), world, 1000)
    assert scores["switched"] == 1
    assert scores["error"] == 0
    assert abs(scores["probe"] - 0.5) < 0.08  # five standard errors of 1000 points
    assert scores["probe_points"] > 0.95
    assert scores["off_switched"] < 0.3  # neighbours of 20,000 points


@pytest.mark.parametrize(
    ("model", "kind"), [("csvae", "attributes"), ("cond_vae_info", "attributes"), ("csvae", "swiss")]
)
def test_a_job_trains_measures_and_draws(model, kind, tmp_path):
    settings = TINY if kind == "attributes" else ROLL
    job = Job(model, "quick", 0, "cpu", paper=kind, variant="x", settings=settings)
    scores = PARTS[kind].run(job, tmp_path, False)
    assert all(isinstance(value, float) for value in scores.values())
    drawn = {path.name for path in tmp_path.glob("*.png")}
    styled = {"styles.png", "plane.png"} if model == "csvae" else set()
    assert drawn == ({"roll.png"} if kind == "swiss" else {"switched.png"} | styled)
    told = PARTS[kind].tables(tmp_path, [Found(job, tmp_path, scores)])
    assert all(path.is_file() for path in told.pictures.values())
    assert all(len(row) == len(table.columns) for table in told.tables for row in table.rows)


def result(row, seed, **scores):
    model, _, variant = row.partition(", ")
    job = Job(model, "default", seed, paper="attributes", variant=variant)
    return Found(job, Path(), scores)


def test_claims_compare_the_seeds_of_csvae_with_those_of_the_others():
    rows = []
    for seed in range(3):
        rows += [
            result("csvae, faces", seed, accuracy=0.90 + 0.01 * seed, identity=0.010),
            result("cond_vae, faces", seed, accuracy=0.80 + 0.01 * seed, identity=0.009),
            result("cond_vae_info, faces", seed, accuracy=0.92 + 0.01 * seed, identity=0.012),
            result("cond_vae_info, faces, b4 = 1000", seed, accuracy=0.1, identity=0.9),
        ]
    grouped: dict[str, list[Found]] = {}
    for each in rows:
        grouped.setdefault(each.job.row, []).append(each)
    claims = attributes_report.claims(grouped)
    told = {claim.text: (claim.shown, claim.evidence) for claim in claims}
    assert told["csvae, faces: switched attributes are seen as wanted more often than by cond_vae"] == (
        True,
        "10.0 points",
    )
    assert told["csvae, faces: switched attributes are seen as wanted more often than by cond_vae_info"][0] is False
    assert told["csvae, faces: switched pictures are nearer to the true ones than by cond_vae"] == (
        False,
        "-1.0 thousandths less",
    )
    assert told["csvae, faces: switched pictures are nearer to the true ones than by cond_vae_info"][0] is True


def test_the_label_is_hidden_where_its_interval_lies_below_the_bound(tmp_path):
    for read, shown in ((0.51, True), (0.56, False)):
        rows = []
        for seed in range(3):
            job = Job("csvae", "default", seed, paper="swiss", variant="roll")
            rows.append(
                Found(job, tmp_path, dict.fromkeys(swiss_report.COLUMNS, 1.0) | {"probe": read, "probe_points": 1.0})
            )
        assert swiss.tables(tmp_path, rows).claims[0].shown is shown


def test_the_command_knows_its_models():
    assert EXPERIMENT.models == ("csvae", "cond_vae", "cond_vae_info")
