"""structured_vae, m2 and jade with its baselines in the room: who is labelled, what is measured, every step once."""

import json

import pytest
import torch

from benchmarks.digits import run as digits
from benchmarks.digits.labels import Pictures, every, labelled_rows, supervised
from benchmarks.digits.paired import by_class, pairs
from benchmarks.digits.paired_report import claims as paired_claims
from benchmarks.digits.structured import Sizes, check, matched, pictures, variants, world_of
from benchmarks.digits.structured_report import claims, curves
from benchmarks.harness.command import presets_of
from benchmarks.harness.papers import Found, Job
from envs.digits import Digits


def numbered(n=200):
    """Pictures that say which they are."""
    x = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1)
    labels = torch.arange(n)[:, None] % 10
    return Pictures(x, labels, labels.float())


def test_the_labelled_pictures_are_the_same_few_in_every_batch_and_others_labels_are_nowhere(generator):
    data = numbered()
    labelled = labelled_rows(data.labels, 2, generator)
    assert labelled.shape == (10, 2)
    assert (data.labels[labelled, 0] == torch.arange(10)[:, None]).all()
    draw, seen, free = supervised(data, labelled, 40, 1.0), set(), set()
    for _ in range(40):
        batch = draw(generator)
        shown = batch["labelled"]
        assert shown.sum() == 20
        own = batch["x"].flatten()[shown].long()
        assert torch.equal(batch["y"][shown], data.labels[own])
        assert torch.bincount(batch["y"][shown][:, 0], minlength=10).tolist() == [2] * 10
        assert (batch["y"][~shown] == -1).all()
        seen |= set(own.tolist())
        free |= set(batch["x"].flatten()[~shown].tolist())
    assert seen == set(labelled.flatten().tolist())
    assert len(free) > 190


def test_labels_are_shown_in_the_share_of_steps_that_the_rate_says(generator):
    data = numbered()
    labelled = labelled_rows(data.labels, 2, generator)
    shown = [supervised(data, labelled, 8, rate)(generator)["labelled"].any() for rate in (0.25,) * 1000]
    assert sum(map(int, shown)) / 1000 == pytest.approx(0.25, abs=0.06)  # four standard deviations
    assert not any(supervised(data, labelled, 8, 0.0)(generator)["labelled"].any() for _ in range(50))


def test_too_few_pictures_to_label_are_said_to_be(generator):
    with pytest.raises(ValueError, match=r"20 pictures of a class to label, and 21 were asked for"):
        labelled_rows(numbered().labels, 21, generator)
    quick = presets_of("digits")["quick"]["papers"]["structured"]
    with pytest.raises(ValueError, match=r"300 labels a class, but a class has only 1\d\d pictures"):
        check(quick | {"labels": [300]}, "")


def test_every_plain_digit_is_there_once():
    world = Digits((), split="test")
    rows = every(world)
    assert len(rows) == 360
    assert len(torch.unique(world.render(rows).flatten(1), dim=0)) > 355  # a few of the source are alike


def test_two_digits_stand_side_by_side(generator):
    sizes = Sizes(steps=1, batch=2, test=1, judge_steps=1, kind="pair")
    found = pictures(sizes, world_of(sizes, "", "test"), 5, generator)
    assert found.x.shape == (5, 1, 28, 56)
    alone = world_of(sizes, "", "test").render(found.rows[:, 2:])
    assert torch.equal(found.x[..., 28:], alone)
    assert torch.equal(found.labels[:, 1], found.rows[:, 2].long())


def test_matched_error_knows_no_names():
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    assert matched((labels + 1) % 3, labels, 3) == 0
    assert matched(torch.tensor([1, 1, 0, 0, 0, 2]), labels, 3) == pytest.approx(1 / 6)


def test_pairs_are_of_one_class_and_drawn_anew(generator):
    x = torch.arange(30).view(10, 3, 1, 1, 1)
    other = torch.arange(50).view(10, 5, 1, 1, 1)
    draw, met = pairs(x, other, 64), set()
    for _ in range(30):
        batch = draw(generator)
        first, second = batch["x"].flatten(), batch["secondary"].flatten()
        assert torch.equal(first // 3, second // 5)
        assert torch.equal(first // 3, batch["y"])
        met |= set(zip(first.tolist(), second.tolist(), strict=True))
    assert len(met) == 150
    found = by_class(Digits((), split="train"), 2, 3)
    assert found.shape == (10, 2, 1, 28, 28)


def found(model, variant, seed, tmp_path, settings=None, **scores):
    job = Job(model, "default", seed, "cpu", paper="structured", variant=variant, settings=settings or {})
    return Found(job, tmp_path, scores)


def cells(rows):
    made = {}
    for row in rows:
        made.setdefault((row.job.model, row.job.variant), []).append(row)
    return made


def test_claims_follow_the_errors(tmp_path):
    falling = {"10 labels": 0.12, "60 labels": 0.05, "100 labels": 0.04}
    rows = [
        found("m2", variant, seed, tmp_path, error=error + 0.001 * seed)
        for variant, error in falling.items()
        for seed in range(3)
    ]
    assert [claim.shown for claim in claims(cells(rows))] == [True]
    rows[-1] = found("m2", "100 labels", 2, tmp_path, error=0.3)
    assert [claim.shown for claim in claims(cells(rows))] == [False]
    steep = {0.0: 0.9, 0.1: 0.3, 1.0: 0.1}
    rows = [
        found(
            "structured_vae",
            "10 labels" if rate == 1 else f"10 labels, rate {rate:g}",
            seed,
            tmp_path,
            {"count": 10, "rate": rate},
            error=error + 0.001 * seed,
        )
        for rate, error in steep.items()
        for seed in range(3)
    ]
    assert list(curves(cells(rows))[10]) == [0.0, 0.1, 1.0]
    [claim] = claims(cells(rows))
    assert claim.shown
    assert "0: 90.1 % [90.0, 90.2], 0.1: 30.1" in claim.evidence


def test_jades_claims_are_undecided_where_the_interval_holds_no_difference(tmp_path):
    def one(gaps):
        rows = [found("single_classifier", "10 labels", k, tmp_path, error=0.3) for k in range(len(gaps))]
        rows += [found("paired_classifier", "10 labels", k, tmp_path, error=0.3 - gap) for k, gap in enumerate(gaps)]
        return paired_claims(cells(rows))[0].shown

    assert one([0.02, 0.03, 0.025, 0.02]) is True
    assert one([-0.02, -0.03, -0.025, -0.02]) is False
    assert one([-0.02, 0.03, -0.025, 0.02]) is None


def test_m2_has_the_cells_of_the_table_alone():
    settings = presets_of("digits")["default"]["papers"]["structured"]
    settings = {key: value for key, value in settings.items() if key != "seeds"}
    assert [name for name, _ in variants("m2", settings)] == ["10 labels", "60 labels", "100 labels"]
    assert {"two digits, 60 labels", "street, 300 labels"} <= {n for n, _ in variants("structured_vae", settings)}


@pytest.mark.parametrize("models", ["structured_vae,m2", "jade,paired_classifier,single_classifier"])
def test_runs_every_step_and_says_what_it_shows(models, tmp_path, capsys):
    out = tmp_path / "run"
    digits.main([f"--model={models}", "--preset=quick", "--workers=1", f"--out={out}"])
    told = json.loads((out / "result.json").read_text())
    assert {claim["verdict"] for claim in told["claims"]} == {"undecided"}
    assert "data:image/png" in (out / "report.html").read_text()
    shown = capsys.readouterr().out
    assert ("12.2 ±" if "m2" in models else "29.08") in shown
    drawn = {path.name for path in out.glob("*/*.png")} | {path.name for path in out.glob("*.png")}
    assert (
        {"analogies.png", "styles.png", "rates.png"} if "m2" in models else {"activations.png", "decoded.png"}
    ) <= drawn
