import json

import numpy as np
import pytest
import torch

from benchmarks.harness.options import Sweep
from benchmarks.ladder.codes import APPENDIX, CODES, LADDER, code, oracle
from benchmarks.ladder.report import RULES, checks, collect, hypotheses
from benchmarks.ladder.run import Job, Options, jobs, main
from benchmarks.metrics import mig
from benchmarks.metrics.control import Sizes, make_task

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def dsprites():
    task = make_task("dsprites", distractors=4)
    return task, oracle(task), task.sample(4000, torch.Generator().manual_seed(3))


def test_the_true_state_is_whitened_and_classes_and_circles_are_columns(dsprites):
    _, truth, states = dsprites
    codes = truth.encode(states)
    assert codes.shape == (4000, 2 + 1 + 2 + 1 + 1 + 4)
    assert truth.wanted.tolist() == [False] * 2 + [True] * 5 + [False] * 4
    assert torch.allclose(torch.cov(codes.T), torch.eye(11, dtype=torch.float64), atol=0.1)


@pytest.mark.parametrize("name", CODES)
def test_every_code_has_axes_of_unit_variance_and_another_draw_for_another_seed(dsprites, name):
    task, truth, states = dsprites
    codes = code(name, truth, task, 0)(states)
    assert torch.allclose(codes.std(0), torch.ones(codes.shape[1], dtype=torch.float64), atol=0.08)
    other = code(name, truth, task, 1)(states)
    assert torch.equal(codes, other) == (name in ("aligned", "copies"))


@pytest.mark.parametrize("name", ["signed_permutation", "block_rotation", "across_45", "haar", "shear", "copies"])
def test_linear_codes_tell_everything_that_the_state_does(dsprites, name):
    task, truth, states = dsprites
    codes, plain = code(name, truth, task, 0)(states), truth.encode(states)
    back = torch.linalg.lstsq(codes, plain, driver="gelsd").solution
    assert (codes @ back - plain).abs().max() < 1e-8


@pytest.mark.parametrize("name", ["signed_permutation", "block_rotation", "across_45", "haar"])
def test_rotations_keep_distances(dsprites, name):
    task, truth, states = dsprites
    codes, plain = code(name, truth, task, 0)(states[:100]), truth.encode(states[:100])
    assert torch.allclose(torch.cdist(codes, codes), torch.cdist(plain, plain), atol=1e-6)


def test_blocks_are_not_mixed_by_a_block_rotation_and_are_by_45_degrees(dsprites):
    task, truth, states = dsprites
    plain = truth.encode(states)

    def mixing(name):
        turn = torch.linalg.lstsq(plain, code(name, truth, task, 0)(states), driver="gelsd").solution
        return turn[truth.wanted][:, ~truth.wanted].abs().max().item()

    assert mixing("block_rotation") < 1e-8
    assert mixing("across_45") == pytest.approx(0.5**0.5, abs=1e-6)


def test_a_monotone_warp_keeps_every_axis_order_and_its_factor(dsprites):
    task, truth, states = dsprites
    codes, plain = code("monotone_warp", truth, task, 0)(states), truth.encode(states)
    for i in range(plain.shape[1]):
        assert torch.equal(codes[:, i].argsort(stable=True), plain[:, i].argsort(stable=True))


def test_disentanglement_falls_down_the_ladder(dsprites):
    task, truth, states = dsprites
    values, kinds = states[:, list(truth.factors)].numpy(), [task.factors[k] for k in truth.factors]
    scores = {name: mig(code(name, truth, task, 0)(states).numpy(), values, kinds) for name in ("aligned", "haar")}
    assert scores["aligned"] > 0.5 > 0.2 > scores["haar"]


def made(model, task, seed, shift=0.0):
    names = [
        s for about in RULES["hypotheses"].values() for group in (about.get("scores") or {}).values() for s in group
    ]
    names += [s for about in RULES["checks"].values() for s in about["scores"]]
    noise = np.random.default_rng([seed, len(task)]).normal(0, 0.02, 50)
    job = Job(
        model,
        "default",
        seed,
        part="ladder",
        task=task,
        distractors=4,
        mixed=False,
        consumers=("sparse",),
        sizes=Sizes(),
    )
    episodes = {name: (0.5 + shift + noise).tolist() for name in names}
    return job, {"scores": {"episodes": episodes, "numbers": {}, "factors": {}}}


def runs(gain):
    rows = [
        made(model, f"w{'i' * i}", seed, gain * (model != "haar"))
        for model in ("aligned", "signed_permutation", "haar")
        for i in range(10)
        for seed in range(2)
    ]
    return collect(*zip(*rows, strict=True))


def test_verdicts_follow_the_figures():
    yes = {t.name: t.claim() for t in hypotheses(runs(0.3))}
    assert yes["H1"].shown is True
    assert yes["H2"].shown is True
    assert "p = 0.00098, after Holm 0.0029" in yes["H1"].evidence
    no = {t.name: t.claim() for t in hypotheses(runs(0.0))}
    assert no["H1"].shown is False
    assert "makes no difference" in no["H1"].evidence
    assert "least effect to be seen" in no["H1"].evidence
    worse = {t.name: t.claim() for t in hypotheses(runs(-0.3))}
    assert worse["H2"].shown is False
    assert "hurts" in worse["H2"].evidence


def test_checks_fail_where_the_placebo_moves():
    placebo, permutation = checks(runs(0.3))
    assert not placebo.shown
    assert permutation.shown
    assert all(claim.shown for claim in checks(runs(0.0)))


def test_jobs_cross_parts_tasks_codes_and_seeds():
    parts = {"ladder": {"codes": ["aligned", "haar"], "distractors": 4, "consumers": ["sparse"]}}
    found = jobs(Sweep(seeds=2), Options(tasks="planar,blobs", parts=parts))
    assert len(found) == 8
    assert [job.seed for job in found] == [0] * 4 + [1] * 4
    assert len(jobs(Sweep(model="haar", seeds=1), Options(tasks="planar", parts=parts))) == 1
    with pytest.raises(ValueError, match="unknown task 'plane'"):
        jobs(Sweep(), Options(tasks="plane", parts=parts))
    with pytest.raises(ValueError, match="unknown code 'tilted'"):
        jobs(Sweep(), Options(parts={"ladder": parts["ladder"] | {"codes": ["tilted"]}}))
    for lacking, told in (({"a": {"codes": []}}, "consumers is missing"), ({"a": {"code": []}}, "codes is missing")):
        with pytest.raises(ValueError, match=f"parts: 'a' must say its codes, consumers and distractors; {told}"):
            jobs(Sweep(), Options(parts=lacking))
    whole = {"codes": ["haar"], "consumers": ["sparse"], "distractors": -1}
    with pytest.raises(ValueError, match="unknown entry of a part 'extra'"):
        jobs(Sweep(), Options(parts={"a": whole | {"extra": 1}}))
    with pytest.raises(ValueError, match="distractors must be at least 0, got -1"):
        jobs(Sweep(), Options(parts={"a": whole}))
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        jobs(Sweep(), Options(sizes={"episodes": 0}))
    with pytest.raises(ValueError, match="unknown size 'episode'"):
        jobs(Sweep(), Options(parts=parts, sizes={"episode": 3}))


def test_the_ladder_and_its_appendix_are_all_codes():
    assert (*LADDER, *APPENDIX) == tuple(CODES)


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    main(["--preset=quick", "--tasks=blobs,maze_both", "--workers=1", f"--out={out}"])
    told = json.loads((out / "result.json").read_text())
    assert told["benchmark"] == "ladder"
    assert {"ladder, aligned", "mixed actions, haar"} <= told["scores"].keys()
    by_text = {claim["text"].partition(":")[0]: claim for claim in told["claims"]}
    assert {"H1", "H2", "placebo", "permutation"} == by_text.keys()
    assert by_text["placebo"]["evidence"].startswith("largest mean difference +0")
    assert (out / "ladder.png").exists()
    assert "sparse model" in capsys.readouterr().out
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}
    main(["--preset=quick", "--tasks=blobs,maze_both", "--workers=1", f"--out={out}"])
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("*/result.json")}  # nothing ran again
