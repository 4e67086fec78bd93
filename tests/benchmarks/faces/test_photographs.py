"""Photographs of the room faces: which are taken, how people are parted, and what a job makes of a folder."""

import imageio.v3 as imageio
import pytest
import torch

from benchmarks.faces import photographs
from benchmarks.faces.photographs import Labelled, measure, subset
from benchmarks.faces.run import Options, jobs
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Found, Job
from envs.faces import Faces
from envs.files.celeba import ATTRIBUTES, IDENTITIES, PICTURES

TINY = {"steps": 2, "batch": 8, "test": 300, "judge_steps": 2, "hidden": 8, "channels": 2, "z_size": 3}
NAMES = ("Eyeglasses", "Goatee", "Mustache", "No_Beard", "Young")
BOTH = ("glasses", "facial_hair")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Drawn faces in the published layout: 1,000 pictures of 250 people."""
    place = tmp_path_factory.mktemp("celeba")
    (place / PICTURES).mkdir()
    world, generator = Faces(32, 0.4, 0.1, ("glasses", "facial_hair")), seeded(5)
    rows = world.sample(1000, generator)
    there = rows[:, [world.names.index(name) for name in BOTH]] > 0.5
    people = torch.randint(250, (1000,), generator=generator)
    lines, owners = ["1000", " ".join(NAMES)], []
    for k, picture in enumerate(world.render(rows)):
        name = f"{k + 1:06d}.png"
        imageio.imwrite(place / PICTURES / name, picture.permute(1, 2, 0).numpy())
        glasses, hair = there[k].tolist()
        values = (glasses, hair and k % 3 == 0, hair and k % 3 == 1, not (hair and k % 3 == 2), True)
        lines.append(f"{name} " + " ".join("1" if value else "-1" for value in values))
        owners.append(f"{name} {people[k]}")
    (place / ATTRIBUTES).write_text("\n".join(lines) + "\n")
    (place / IDENTITIES).write_text("\n".join(owners) + "\n")
    return place, there.float(), people


def key(pictures):
    return [picture.numpy().tobytes() for picture in pictures]


def test_every_face_has_its_labels_and_every_person_one_part(folder):
    place, labels, people = folder
    parts = photographs.photographs(str(place), 32, BOTH, None)
    world = Faces(32, 0.4, 0.1, BOTH)
    drawn = key(world.render(world.sample(1000, seeded(5))))
    where = {picture: k for k, picture in enumerate(drawn)}
    owners = []
    for part in parts:
        numbers = [where[picture] for picture in key(part.pictures)]
        assert torch.equal(part.labels, labels[numbers])
        owners.append(set(people[numbers].tolist()))
    for k in range(3):
        assert owners[k].isdisjoint(owners[k - 1])
    assert len(owners[0]) > 3 * len(owners[1])


def test_the_subsets_hold_all_with_an_attribute_and_the_papers_share_without():
    labels = torch.zeros(1000, 2)
    labels[:100, 0] = 1
    labels[100:150, 1] = 1
    for k, (name, rest) in enumerate({"glasses": 200, "facial_hair": 50}.items()):
        chosen = subset(labels[:, k : k + 1], (name,), seeded(0))
        assert chosen.unique().tolist() == chosen.tolist()
        there = labels[chosen, k]
        assert there.sum() == labels[:, k].sum()
        assert (there == 0).sum() == rest
    both = subset(labels, BOTH, seeded(0))
    assert 150 + 200 <= len(both) <= 150 + 250


class Painter:
    """A learner whose pictures show their labels in two pixels, and whose z is one number that tells the first."""

    def posterior(self, pictures, labels):
        return labels[:, :1], torch.full_like(labels[:, :1], -20.0)

    def switch(self, pictures, labels, wanted):
        painted = torch.zeros(len(wanted), 3, 8, 8)
        painted[:, 0, 0, :2] = wanted
        return painted


def test_a_learner_that_paints_the_labels_switches_them_all():
    labels = torch.randint(2, (400, 2), generator=seeded(1)).float()
    test = Labelled((255 * Painter().switch(None, None, labels)).byte(), labels)
    scores = measure(Painter(), lambda x: (x[:, 0, 0, :2] > 0.5).float(), test, test, BOTH)
    assert scores["accuracy"] == scores["on"] == scores["off"] == scores["rest"] == scores["judge_decoded"] == 1
    assert scores["judge"] == 1
    assert scores["still"] == scores["error"] == 0
    assert 0.7 < scores["probe"] < 0.8  # the first label is read from z, the second guessed


@pytest.mark.parametrize("model", ["csvae", "cond_vae_info"])
def test_a_job_trains_measures_and_draws(folder, tmp_path, model):
    todo = jobs(Sweep(model=model, seeds=1, preset="quick"), Options("", {"photographs": TINY}, str(folder[0])))
    assert [job.paper for job in todo] == ["photographs"]
    scores = photographs.run(todo[0], tmp_path, False)
    assert all(isinstance(value, float) for value in scores.values())
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {"switched.png"} | ({"styles.png", "plane.png"} if model == "csvae" else set())
    told = photographs.tables(tmp_path, [Found(todo[0], tmp_path, scores)])
    assert all(path.is_file() for path in told.pictures.values())
    assert all("-" not in row for table in told.tables for row in table.rows)


def test_what_cannot_be_switched_is_said_before_anything_is_trained(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder with the files of CelebA, got .*elsewhere"):
        jobs(Sweep(), Options("", {"photographs": TINY}, str(tmp_path / "elsewhere")))
    with pytest.raises(ValueError, match="part photographs needs --data"):
        jobs(Sweep(), Options("photographs", {"photographs": TINY}))
    with pytest.raises(ValueError, match="part swiss is drawn: it has no data"):
        jobs(Sweep(), Options("swiss", {}, str(folder[0])))
    lines = (folder[0] / ATTRIBUTES).read_text().splitlines()
    (tmp_path / PICTURES).symlink_to(folder[0] / PICTURES)
    (tmp_path / IDENTITIES).write_text((folder[0] / IDENTITIES).read_text())
    rows = [line.replace(".png 1 ", ".png -1 ") for line in lines]
    (tmp_path / ATTRIBUTES).write_text("\n".join(rows) + "\n")
    job = Job("csvae", "quick", 0, "cpu", paper="photographs", variant="x", data=str(tmp_path), settings=TINY)
    with pytest.raises(ValueError, match="too few faces: 0 with glasses to train with, 30 or more are needed"):
        photographs.run(job, tmp_path / "out", False)
