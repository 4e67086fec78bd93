import json

import numpy as np
import pytest
import torch

from benchmarks.beta_sweep import run as beta_sweep
from benchmarks.beta_sweep.data import combinations, digits, pairs, place, split_shapes
from benchmarks.beta_sweep.report import claims, points, slope, tables
from benchmarks.beta_sweep.run import AUTOENCODERS, Job, Options, build, classified, jobs
from benchmarks.harness.command import parse
from benchmarks.harness.options import Sweep
from envs.shapes2d import DISTINCT, Shapes2D
from representations import fit, load

torch.set_num_threads(1)


def job(model="dense", data="shapes2d", beta=1.0, seed=0, **more):
    base = {"pictures": 64, "batch": 32, "precision": "float32", "samples": 200, "metric_seeds": 1, "test": 20}
    base |= {"shares": (0.5, 1.0), "source": "embedded", "path": None, "settings": AUTOENCODERS[model]}
    return Job(model, "quick", seed, "cpu", data=data, beta=beta, **(base | more))


def test_the_split_has_every_distinct_picture_in_one_part():
    split, world = split_shapes(), Shapes2D()
    sizes = {name: len(rows) for name, rows in split.factors.items()}
    assert sum(sizes.values()) == DISTINCT == len(np.unique(split.picture))
    assert [round(n / DISTINCT, 3) for n in sizes.values()] == [0.7, 0.15, 0.15]
    parts = np.zeros(DISTINCT, int)
    for name, own in zip(("train", "validation", "test"), (1, 2, 3), strict=True):
        where = place(world, split.factors[name])
        assert (split.part[where] == own - 1).all()
        parts[split.picture[where]] += own
    assert set(parts) == {1, 2, 3}  # a picture counted twice, or in two parts, would sum to more or be 2 + 1
    assert np.bincount(parts)[1:].tolist() == list(sizes.values())
    shape_share = [(split.factors["test"][:, 0] == s).float().mean() for s in range(3)]
    whole = [(torch.cat(list(split.factors.values()))[:, 0] == s).float().mean() for s in range(3)]
    assert torch.allclose(torch.stack(shape_share), torch.stack(whole), atol=1e-3)


def test_combinations_of_one_picture_are_in_one_part():
    split, world = split_shapes(), Shapes2D()
    square = combinations(world).view(3, 16, 16, 6, 60, 5)[0, 3, 4, 2]  # the rotations 0 and pi of a square are alike
    a, b = place(world, square[:1]), place(world, square[-1:])
    assert a != b
    assert split.picture[a] == split.picture[b]
    assert split.part[a] == split.part[b]
    assert torch.equal(world.render(square[:1]), world.render(square[-1:]))


def test_pairs_are_held_out_and_differ_in_one_factor_alone(generator):
    split, world = split_shapes(), Shapes2D()
    first, second, changed = pairs(split, 50, generator)
    assert np.bincount(changed).tolist() == [50] * 5
    assert ((first != second).sum(1) == 1).all()
    assert ((first != second).float().argmax(1).numpy() == changed).all()
    assert (split.part[place(world, first)] == 2).all()
    assert (split.part[place(world, second)] == 2).all()
    assert (world.render(first) != world.render(second)).flatten(1).any(1).all()


def test_digits_are_each_there_once():
    (train, label), (test, _) = digits("embedded", None, "train"), digits("embedded", None, "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.shape[1:] == (1, 28, 28)
    assert label.tolist() == sorted(label.tolist())
    assert len(torch.cat([train, test]).flatten(1).unique(dim=0)) > 1750  # nearly all differ


def test_the_classifier_reads_the_digit_where_the_code_has_it():
    known = {}
    for part in ("train", "test"):
        pictures, label = digits("embedded", None, part)
        known |= {picture.numpy().tobytes(): int(y) for picture, y in zip(pictures, label, strict=True)}

    class Reads:
        def encode(self, pictures):
            return torch.eye(10)[[known[picture.numpy().tobytes()] for picture in pictures]]

    class Blind:
        def encode(self, pictures):
            return torch.zeros(len(pictures), 2)

    assert classified(Reads(), job(data="digits"))["accuracy_1"] > 0.99
    assert classified(Blind(), job(data="digits"))["accuracy_0.5"] < 0.2


def result(**scores):
    base = {"beta_vae_changed": 0.5, "beta_vae_fixed": 0.5, "factor_vae": 0.5, "mig": 0.1, "nll": 90.0, "kl": 5.0}
    return {"scores": base | {"latents_used": 5.0} | scores, "seconds": {}, "processor": 1.0}


def test_slopes_and_claims_by_hand():
    todo = [job(beta=b, seed=s) for b in (0.0, 2.0) for s in (0, 1)]
    rising = [result(beta_vae_changed=v) for v in (0.5, 0.5, 0.7, 0.6)]
    by_beta = points(rising, todo, "shapes2d")["dense"]
    assert slope(by_beta, "beta_vae_changed").values == pytest.approx((0.1, 0.05))
    assert [c.shown for c in claims({"dense": by_beta}, {})] == [True]
    mixed = points([result(beta_vae_changed=v) for v in (0.5, 0.5, 0.7, 0.4)], todo, "shapes2d")
    assert [c.shown for c in claims(mixed, {})] == [False]
    assert [len(table.rows) for table in tables(mixed, {})] == [2]
    reads = [job(data="digits", beta=b, seed=s) for b in (0.0, 0.1, 4.0) for s in (0, 1)]
    falls = [{"accuracy_0.5": 0.5, "accuracy_1": v} for v in (0.1, 0.1, 0.9, 0.9, 0.8, 0.7)]
    found = points([result(**f) for f in falls], reads, "digits")
    assert [c.shown for c in claims({}, found)] == [True, False]  # beta 0 does not count in the slope, but in the rise
    level = points([result(**f) for f in falls[:4] + falls[2:4]], reads, "digits")
    assert not claims({}, level)[0].shown


def test_the_command_sweeps_reports_and_resumes(tmp_path, capsys):
    options = ["--preset", "quick", "--workers", "1", "--device", "cpu", "--out", str(tmp_path / "run"), "--seeds", "1"]
    options += ["--model", "dense_denoising,dense", "--pictures", "64", "--digit_pictures", "64", "--samples", "200"]
    beta_sweep.main(options)
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("held-out", "dense_denoising", "the metric rises", "accuracy"))
    assert {"metric.png", "accuracy.png", "report.html", "result.json"} <= {
        p.name for p in (tmp_path / "run").iterdir()
    }
    found = json.loads((tmp_path / "run" / "result.json").read_text())
    assert len(found["scores"]) == 6  # two betas each: two models of shapes, one of digits
    [folder, _] = sorted((tmp_path / "run").glob("dense_denoising-seed0-*"))
    assert load(folder / "model").noise == 0.2
    before = (folder / "result.json").stat().st_mtime_ns
    beta_sweep.main(options)
    assert (folder / "result.json").stat().st_mtime_ns == before


def test_digits_are_swept_for_the_plain_ones():
    found = jobs(Sweep(model="all", seeds=1), Options(digit_betas=(0.5,), betas=(1.0, 2.0)))
    assert [(j.data, j.model, j.beta) for j in found if j.data == "digits"] == [
        ("digits", "dense", 0.5),
        ("digits", "conv", 0.5),
    ]
    assert len(found) == 4 * 2 + 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--model", "dens"], "the models are dense"),
        (["--data", "mnist"], "data must name any of shapes2d, digits"),
        (["--shares", "[0.0]"], "shares must be above 0"),
        (["--batch", "1"], "batch must be"),
        (["--betas", "[-1.0]"], "beta must be at least 0"),
        (["--precision", "half"], "--precision takes one of float32, bfloat16, auto"),
    ],
)
def test_a_wrong_option_ends_in_a_message_before_any_training(wrong, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        beta_sweep.main(["--preset", "quick", "--model", "dense", "--out", str(tmp_path / "run"), *wrong])
    assert message in str(ended.value) + capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_the_paper_preset_has_the_papers_grid_and_takes_steps(tmp_path):
    own, values = parse("beta_sweep", Sweep, Options, ["--preset", "paper", "--model", "all", "--seeds", "5"])
    todo = jobs(own, Options(**values))
    assert len(todo) == 5 * (4 * 26 + 2 * 41)
    for found in {j.model: j for j in todo if j.data == "shapes2d"}.values():
        given = torch.zeros(found.batch, 1, 64, 64, dtype=torch.uint8)
        logs = fit(build(found), lambda g, x=given: x, 2, torch.Generator(), device="cpu", progress=False)
        assert logs[-1]["step"] == 2
