import dataclasses
import json

import pytest
import torch

from benchmarks.covariance import run as covariance
from benchmarks.covariance.report import by_point, claims, curve_figure, tables
from benchmarks.covariance.run import SPREADS, Job, Options, Size, active, jobs, projected
from benchmarks.harness.options import Sweep
from benchmarks.metrics import ud90
from envs.files.cifar10 import FILES

torch.set_num_threads(1)

SIZES = {name: {"steps": 10, "batch": 8, "samples": 100} for name in covariance.EXPERIMENTS}


def job(experiment: str, model: str, weight: float, seed: int = 0) -> Job:
    return Job(
        model, "quick", seed, "cpu", experiment=experiment, weight=weight, size=Size(10, 8, 100), data="", settings={}
    )


def result(**scores) -> dict:
    base = {"mse": 0.01, "share": 0.001, "mapc": 0.1, "cvr": 2.0, "tdv": 0.9, "ud90": 5.0}
    return {"scores": base | scores, "seconds": {"training": 1.0}}


@pytest.mark.parametrize("experiment", covariance.EXPERIMENTS)
def test_the_command_runs_every_step_and_says_what_it_shows(experiment, tmp_path, capsys):
    out = tmp_path / "run"
    covariance.main([f"--experiment={experiment}", "--preset=quick", "--workers=1", f"--out={out}"])
    told = json.loads((out / "result.json").read_text())
    assert told["benchmark"] == "covariance"
    assert all(f"{experiment}, " in row for row in told["intervals"])
    assert "data:image/png" in (out / "report.html").read_text() or experiment == "xor"
    printed = capsys.readouterr().out
    assert "covariance_penalty" in printed
    assert ("published" in printed) == (experiment != "projection")
    folder = next(out.glob("covariance_penalty-*"))
    assert {"config.yaml", "log.jsonl", "result.json", "model"} <= {file.name for file in folder.iterdir()}


def test_jobs_cross_experiments_penalties_and_weights():
    own = Sweep(seeds=2)
    found = jobs(own, Options(weights=[0.1, 1.0], curves=[0.5], sizes=SIZES))
    assert len(by_point(found, found_scores(found), "projection")) == 5  # two of each penalty, and none
    assert {j.model for j in found if j.experiment == "xor"} == {"covariance_penalty", "none"}
    assert {j.weight for j in found if j.experiment == "pictures"} == {0.0, 0.08}
    curved = jobs(own, Options(experiment="pictures", curve=True, curves=[0.5], sizes=SIZES))
    assert {j.weight for j in curved} == {0.0, 0.5}
    with pytest.raises(ValueError, match="projection, xor, pictures"):
        jobs(own, Options(experiment="xnor", sizes=SIZES))
    with pytest.raises(ValueError, match="no part in xor"):
        jobs(Sweep(model="l1"), Options(experiment="xor", sizes=SIZES))


def found_scores(found):
    return [result() for _ in found]


def test_projections_have_four_dimensions_and_are_the_same_for_every_penalty():
    (train, test), (other, _) = projected(job("projection", "l1", 0.1)), projected(job("projection", "none", 0.0))
    assert torch.equal(train["x"], other["x"])
    assert train["x"].shape == test.shape == (100, 10)
    assert int((torch.linalg.svdvals(train["x"]) > 1e-3).sum()) == 4
    assert not torch.equal(train["x"], projected(job("projection", "l1", 0.1, seed=1))[0]["x"])


def test_of_an_orthogonal_projection_the_principal_axes_are_the_hidden_numbers():
    size = Size(1, 2, 20_000)
    for seed in range(3):
        given = dataclasses.replace(job("projection", "none", 0.0, seed), size=size)
        variances = torch.linalg.eigvalsh(torch.cov(projected(given)[1].T)).flip(0)
        hidden = 10 * torch.tensor(SPREADS).square().flip(0)
        assert variances[:4].tolist() == pytest.approx(hidden.tolist(), rel=0.05)
        assert ud90(torch.diag(variances[:4].sqrt())) == 4  # as many as 90 % of the data's own variance take
        tilted = projected(dataclasses.replace(given, omega="normal"))[1]
        assert not torch.allclose(torch.linalg.eigvalsh(torch.cov(tilted.T)).flip(0)[:4], hidden, rtol=0.05)
    with pytest.raises(ValueError, match="orthogonal or normal, got 'skew'"):
        jobs(Sweep(), Options(omega="skew", sizes=SIZES))


def test_active_units_are_counted_by_their_share():
    rows = torch.tensor([[1.0, 0.05, 0.0, 1.0], [-1.0, -0.05, 0.0, -1.0]])
    assert active(rows) == 2
    assert active(1e-3 * rows) == 2
    assert active(torch.ones(4, 4)) == 0


def test_claims_follow_the_figures():
    todo = [job("projection", "covariance_penalty", w) for w in (0.1, 1.0)] + [job("projection", "l1", 0.1)]
    four = [result(tdv=0.99, ud90=4.0, cvr=1.1), result(tdv=1.0, share=0.2), result(cvr=1.5)]
    assert [claim.shown for claim in claims(todo, four)] == [True, True, True]
    lost = [result(tdv=0.99, ud90=4.0, share=0.02, mse=0.02), result(share=0.2, mse=0.2), result(cvr=1.0)]
    assert [claim.shown for claim in claims(todo, lost)] == [False, False, False]
    three = [result(tdv=0.99, ud90=3.0, cvr=1.1), *four[1:]]
    assert [claim.shown for claim in claims(todo, three)] == [True, False, True]
    xor = [job("xor", "covariance_penalty", 0.2), job("xor", "none", 0.0)]
    small = {"accuracy": 1.0, "active_1": 2.0, "active_2": 1.0}
    large = small | {"active_1": 4.0}
    assert claims(xor, [{"scores": small}, {"scores": large}])[0].shown
    assert not claims(xor, [{"scores": small | {"accuracy": 0.75}}, {"scores": large}])[0].shown
    assert not claims(xor, [{"scores": small}, {"scores": small}])[0].shown
    pictures = [job("pictures", m, w, s) for m, w in (("covariance_penalty", 0.08), ("none", 0.0)) for s in (0, 1)]
    lower = [result(cvr=6.0, mse=0.0105), result(cvr=7.0), result(cvr=20.0), result(cvr=19.0)]
    assert claims(pictures, lower)[0].shown
    assert not claims(pictures, [result(cvr=6.0, mse=0.02), *lower[1:]])[0].shown
    assert not claims(pictures, lower[2:] + lower[:2])[0].shown
    unlearned = [{"scores": r["scores"] | {"share": 0.9}} for r in lower]
    assert not claims(pictures, unlearned)[0].shown


def test_curves_start_without_a_penalty_and_published_figures_stand_beside():
    todo = [job("pictures", "none", 0.0), *(job("pictures", "covariance_penalty", w) for w in (0.5, 0.1))]
    found = [result(mse=0.01), result(mse=0.03), result(mse=0.02)]
    figure = curve_figure(by_point(todo, found, "pictures"), ("cvr",))
    assert figure.axes[0].lines[0].get_xdata().tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert [row[5] for row in tables(todo, found)[0].rows[:3]] == ["6.56", "20.00", "4.03"]


def test_cifar10_is_used_where_its_files_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr("envs.files.cifar10.RECORDS", 5)
    for name in (*FILES["train"], *FILES["test"]):
        (tmp_path / name).write_bytes((bytes([1]) + bytes(3072)) * 5)
    given = Job(
        "none", "quick", 0, "cpu", experiment="pictures", weight=0.0, size=Size(1, 2), data=str(tmp_path), settings={}
    )
    train, test = covariance.pictures(given)
    assert (len(train["x"]), len(test)) == (25, 5)
    with pytest.raises(SystemExit, match=r"no file test_batch\.bin"):
        covariance.main(["--preset=quick", f"--data={tmp_path / 'nowhere'}", f"--out={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()
