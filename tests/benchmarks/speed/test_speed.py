import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.harness.engines import Engine
from benchmarks.harness.timing import Cost, Rate, Work, in_turn, median, rate, rates_beside, timed
from benchmarks.speed import clips as speed_clips
from benchmarks.speed import measures as speed_measures
from benchmarks.speed import run as speed
from benchmarks.speed import scaling
from benchmarks.speed import sentences as speed_sentences
from benchmarks.speed import training as speed_training
from benchmarks.speed.locally_linear import LAYERS, generated, read
from benchmarks.speed.measures import BARS, GROUPS
from benchmarks.speed.rows import Row, Sizes
from benchmarks.speed.run import claims, main, table
from benchmarks.speed.scaling import Course, course

FIELDS = {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"}
SMALL = Sizes(
    1,
    batch=2,
    single_steps=45,
    num_envs=3,
    vector_steps=2,
    problems=(2,),
    codes=200,
    train_steps=1,
    train_batch=2,
    jobs=2,
    job_steps=1,
)


def test_the_command_prints_a_table_and_leaves_a_result_and_a_report(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(GROUPS, "planners", lambda sizes: speed_measures.planners(SMALL))
    main(["--only", "planners", "--repeats", "1", "--out", str(tmp_path / "new")])
    printed = capsys.readouterr().out
    assert all(
        word in printed for word in ("by the clock", "by processor time", "ms/problem", "iterations", "mpc.pytorch")
    )
    result = json.loads((tmp_path / "new" / "result.json").read_text())
    assert set(result) >= FIELDS | {"load_average", "claims"}
    assert len(result["scores"]) == 2
    for runs in result["scores"].values():
        [row] = runs.values()
        assert row["clock"] > 0
        assert row["processor"] > 0
        assert "100% converged" in row["limit"]
    assert "ms/problem" in (tmp_path / "new" / "report.html").read_text()


def test_worlds_and_environments_are_run_on_one_thread_on_two_and_in_two_processes(monkeypatch):
    asked = []

    def beside(makes, repeats, processes):
        asked.append((len(makes), processes))
        return [Rate(10.0, 20.0) for _ in makes]

    monkeypatch.setattr(speed_measures, "rates_beside", beside)
    rows = speed_measures.worlds(SMALL) + speed_measures.environments(SMALL)
    ways = {row.run_as for row in rows if row.figure == "dsprites, pictures"}
    assert ways == {"1 process, 1 thread", "1 process, 2 threads", "2 processes, 1 thread each"}
    count = len(speed_measures.WORLDS)
    assert asked == [(count, 2), (2, 2)]
    assert len(rows) == 3 * count + 1 + 3 * 2
    assert all(row.clock > 0 and row.unit in ("pictures/s", "steps/s") for row in rows)
    assert torch.get_num_threads() == 1


def test_every_figure_with_a_bar_is_measured(monkeypatch):
    monkeypatch.setattr(speed_measures, "rates_beside", lambda makes, repeats, n: [Rate(1.0, 1.0) for _ in makes])
    monkeypatch.setattr(speed_measures, "SCORES", dict.fromkeys(speed_measures.SCORES, lambda *_: {}))
    monkeypatch.setattr(scaling, "course", lambda engine, sizes: Course(60.0, 1.0, 30.0, 60.0))
    figures = {row.figure for group in GROUPS.values() for row in group(SMALL)}
    replaced = {"1,024": "3", "32 problems": "2 problems", "128, batch 64": "128, batch 2"}
    bars = [bar.figure for bar in BARS]
    for large, little in replaced.items():
        bars = [figure.replace(large, little) for figure in bars]
    assert set(bars) <= figures


def test_fit_and_the_bare_loop_take_the_same_step():
    from representations import fit, make

    pictures = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    trained = []
    for loop in ("fit", "bare"):
        torch.manual_seed(3)
        model = make("beta_vae", channels=4, hidden=8)
        model.autoencoder.background(model.autoencoder.decoder, pictures)
        generator = torch.Generator().manual_seed(0)
        root = int(torch.randint(2**31, (1,), generator=torch.Generator().manual_seed(0)))
        if loop == "fit":
            fit(model, lambda g: pictures, 1, generator, device="cpu", progress=False)
        else:
            torch.manual_seed(root)
            speed_training.bare_loop(model, lambda g: 255 * pictures, 1, generator, "float32")
        trained.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    torch.testing.assert_close(trained[0], trained[1], rtol=0, atol=2e-5)


def test_fit_and_the_bare_loop_of_sentences_take_the_same_step():
    from envs import make_world
    from representations import make
    from representations.language_multitask import trimmed

    world = make_world("sentences")
    views = {k: trimmed(v) for k, v in world.views(world.sample(9, torch.Generator().manual_seed(1))).items()}
    torch.manual_seed(0)
    small = {"hidden": 8, "embedding": 4, "code_size": 6}
    model = make("language_multitask", words=len(world.vocabulary), tags=len(world.tags), **small)
    ours, by_hand = model.loss(views)[0], speed_sentences.hand_loss(model, views)
    torch.testing.assert_close(ours, by_hand)
    gradients = [torch.autograd.grad(loss, list(model.parameters())) for loss in (ours, by_hand)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("name", ["mocogan", "vgan"])
def test_clips_made_by_hand_are_those_of_the_learner(name):
    from representations import make
    from representations.vgan import composed

    model = make(name, shape=(3, 32, 32), width=2, clip_width=2)
    batch = torch.zeros(3, 16, 3, 32, 32)
    torch.manual_seed(5)
    ours = model._made(*model._imagined(batch)) if name == "mocogan" else composed(*model._fake(batch))
    torch.manual_seed(5)
    torch.testing.assert_close(speed_clips.hand_made(model, 3), ours)


def test_the_bound_written_by_hand_is_that_of_the_learner(generator):
    from benchmarks.speed import prediction
    from representations import make

    model = make("independent_prediction", **prediction.SETTINGS | {"width": 2})
    batch = torch.rand(3, 5, 3, 32, 32, generator=generator)
    losses = []
    for loss in (lambda: model.loss(batch)[0], lambda: prediction.hand_made(model, batch)):
        torch.manual_seed(5)
        losses.append(loss())
    torch.testing.assert_close(*losses)


def test_the_plain_networks_are_those_of_beta_vae():
    from representations import make

    model, made = make("beta_vae"), speed_training.plain_networks()
    for ours, plain, x in zip(
        (model.autoencoder.encoder, model.autoencoder.decoder),
        made,
        (torch.rand(2, 1, 64, 64), torch.randn(2, 10)),
        strict=True,
    ):
        plain.load_state_dict(ours.state_dict())
        torch.testing.assert_close(plain(x), ours(x), rtol=1e-4, atol=1e-4)


def test_costs_are_medians_of_every_call_behind_the_first():
    calls = []
    cost = timed(lambda: calls.append(time.sleep(0.01)), 3)
    assert len(calls) == 4
    assert cost.clock >= 0.01
    assert cost.processor < cost.clock
    assert median([Cost(1, 9), Cost(2, 5), Cost(9, 1)]) == Cost(2, 5)


def test_two_calls_are_made_in_turn():
    calls = []
    *_, ratio = in_turn(partial(calls.append, "a"), partial(calls.append, "b"), 3)
    assert "".join(calls) == "ab" * 4
    assert ratio > 0


def test_a_rate_counts_the_things_and_restores_the_threads():
    found = rate(lambda: Work(partial(time.sleep, 0.02), 10), 1, threads=2)
    assert 0 < found.clock <= 500
    assert torch.get_num_threads() == 1


@pytest.mark.slow
def test_processes_beside_each_other_add_up():
    [found] = rates_beside([partial(speed_measures.drawing, "planar", SMALL)], 1, 2)
    assert found.clock > 0
    assert found.processor > 0


def test_a_bar_is_reached_by_the_best_way_to_run_a_figure():
    def row(run_as, clock, processor=1.0):
        return {run_as: vars(Row("dsprites, pictures", run_as, "pictures/s", clock, processor))}

    sure = {"hardware": {"processor": "x", "cores": 2}, "load_average": 0.0}
    result = sure | {"scores": {"dsprites, pictures": row("a", 60_000.0) | row("b", 110_000.0)}}
    [claim] = claims(result)
    assert claim.shown
    assert "110,000 by the clock with b" in claim.evidence
    assert not claims(sure | {"scores": {"dsprites, pictures": row("a", 60_000.0, 200_000.0)}})[0].shown
    for figure, unit, most in (
        ("mig, common protocol", "s", 0.028),
        ("iLQR, 32 problems, derivatives given", "ms/problem", 2),
    ):
        for factor, shown in ((0.9, True), (1.1, False)):
            rows = {figure: {"a": vars(Row(figure, "a", unit, 9.0, factor * most))}}
            assert claims(sure | {"scores": rows})[0].shown is shown
    assert [cell[5] for cell in table(result).rows] == ["100,000", "100,000"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "planers"], "unknown group 'planers'; the groups are worlds"),
        (["--repeats", "0"], "repeats must be at least 1, got 0"),
        (
            ["--only", "planners", "--ilqr", "nowhere.npz"],
            "nowhere.npz should be an npz file with a locally linear problem",
        ),
    ],
)
def test_bad_settings_are_named(arguments, message):
    with pytest.raises(SystemExit, match=message):
        main(arguments)


def test_a_problem_is_read_as_it_was_written(tmp_path):
    given = generated(3, 7, torch.Generator().manual_seed(0))
    names = [f"{layer}_{kind}" for layer in LAYERS for kind in ("weight", "bias")]
    arrays = {name: weight.numpy() for name, weight in zip(names, given.weights, strict=True)}
    numbers = {"limit": given.limit, "q": given.state_cost, "r": given.action_cost, "horizon": given.horizon}
    np.savez(tmp_path / "p.npz", goal=given.goal, x0=given.x0, **arrays, **numbers)
    found = read(tmp_path / "p.npz")
    assert (found.limit, found.state_cost, found.action_cost, found.horizon) == (1.0, 10.0, 1.0, 7)
    assert torch.equal(found.x0, given.x0)
    assert all(torch.equal(a, b) for a, b in zip(found.weights, given.weights, strict=True))
    z, u = torch.rand(5, 2, dtype=torch.float64), torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(found.problem(True).dynamics(z, u), given.problem(False).dynamics(z, u))


@pytest.mark.parametrize("content", [b"", b"not a zip", None])
def test_a_damaged_problem_is_named(content, tmp_path):
    path: Path = tmp_path / "p.npz"
    np.savez(path, goal=np.zeros(2)) if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match="should be an npz file with a locally linear problem"):
        read(path)


def test_too_few_starts_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(speed_measures, "generated", lambda n, *rest: generated(1, *rest))
    with pytest.raises(ValueError, match="generated holds 1 starts; 2 are needed"):
        speed_measures.planners(SMALL)
    assert speed.chosen_groups("") == [name for name in GROUPS if name != "scaling"]
    assert speed.chosen_groups("scaling") == ["scaling"]


def test_the_efficiency_of_a_sweep_is_the_time_on_one_worker_by_that_of_all_workers(monkeypatch):
    took = {
        ("local", 1): Course(120.0, 0.0, 30.0, 120.0),
        ("local", 2): Course(64.0, 4.0, 30.0, 120.0),
        ("ray", 1): Course(130.0, 10.0, 30.0, 120.0),
        ("ray", 2): Course(76.0, 11.0, 32.0, 128.0),
    }
    monkeypatch.setattr(scaling, "course", lambda engine, sizes: took[engine.name, engine.workers])
    rows = scaling.scaling(SMALL)
    seconds = {(row.figure, row.run_as): row.clock for row in rows if row.unit == "s"}
    assert seconds["sweep of 2 jobs by local", "1 worker"] == 120
    assert seconds["sweep of 2 jobs by ray", "2 workers"] == 76
    shares = {row.figure: row for row in rows if row.unit == "% of linear"}
    assert shares["sweep by local: efficiency"].clock == pytest.approx(100 * 120 / 128)
    assert shares["sweep by ray: efficiency"].clock == pytest.approx(100 * 130 / 152)
    assert shares["sweep by ray: efficiency"].limit == "a job runs at 93.8 % of its speed alone"
    assert shares["sweep by local: share in jobs"].clock == pytest.approx(100 * 2 * 30 / (2 * 60))
    assert shares["sweep by ray: share in jobs"].clock == pytest.approx(100 * 2 * 32 / (2 * 65))
    local, ray = claims({"scores": {row.figure: {row.run_as: asdict(row)} for row in rows}})
    assert (local.shown, ray.shown) == (True, False)
    assert "85.5 %, a job runs at 93.8 % of its speed alone" in ray.evidence


def test_a_sweep_is_timed_from_the_call_to_its_last_result():
    found = course(Engine("local", 1), SMALL)
    assert 0 <= found.start < found.whole
    assert SMALL.jobs * found.job < found.whole
    assert found.processor > 0
