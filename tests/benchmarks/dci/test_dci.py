import json

import pytest
import torch

from benchmarks.dci import run as command
from benchmarks.dci.figures import moved
from benchmarks.dci.report import AVERAGES, FACTORS, PUBLISHED, best, claims, tables
from benchmarks.dci.run import Job, Options, draw, flat, jobs, measure, train
from benchmarks.harness.options import Sweep
from envs.objects3d import Objects3D, gap
from representations import make

torch.set_num_threads(1)


def job(model: str, seed: int = 0) -> Job:
    return Job(
        model,
        "quick",
        seed,
        "cpu",
        side=16,
        exposure=1.0,
        gamma=1.0,
        pictures=400,
        steps=3,
        batch=16,
        samples=600,
        tuned=False,
        settings={},
    )


def result(nudge: float = 0.0, **scores) -> dict:
    base = {f"{r}_{s}": v + nudge for r in PUBLISHED for s, v in zip(AVERAGES, (0.4, 0.5, 0.3, 0.4), strict=True)}
    base |= {f"circular_{name}": value for name, value in base.items()}
    for name in AVERAGES[:2] + AVERAGES[3:]:
        base |= {f"{r}_{name}_{factor}": 0.5 for r in PUBLISHED for factor in FACTORS}
    return {"scores": base | scores, "seconds": {"training": 1.0}}


def both(**scores):
    return {f"{r}_{name}": value for r in PUBLISHED for name, value in scores.items()}


def test_the_command_runs_every_step(tmp_path, capsys):
    out = tmp_path / "run"
    command.main(["--preset=quick", "--samples=400", "--workers=1", f"--out={out}"])
    told = json.loads((out / "result.json").read_text())
    assert told["benchmark"] == "dci"
    assert set(told["intervals"]) == {"infogan", "pca"}
    assert len(told["claims"]) == 6
    printed = capsys.readouterr().out
    assert "infogan, published" in printed
    assert "undecided" in printed
    assert {claim["verdict"] for claim in told["claims"]} == {"undecided"}  # the preset quick decides nothing
    folder = next(out.glob("infogan-*"))
    drawn = {file.name for file in folder.glob("*.png")}
    assert drawn == {"hinton_lasso.png", "hinton_forest.png", "codes.png", "traversals.png", "samples.png"}
    assert (out / "report.html").read_text().count("data:image/png") == 5 + 4 + 1  # and the losses


def test_training_pictures_leave_out_the_gap_and_scores_see_it():
    world = Objects3D(16)
    factors, pictures = draw(world, 700, torch.Generator().manual_seed(0), seen=True)
    assert pictures.shape == (700, 3, 16, 16)
    assert not gap({name: factors[:, k] for k, name in enumerate(world.names)}).any()
    factors, pictures = draw(world, 700, torch.Generator().manual_seed(0), seen=False)
    assert gap({name: factors[:, k] for k, name in enumerate(world.names)}).any()
    assert torch.equal(pictures, world.render(factors))


def test_factors_as_codes_are_perfect_and_noise_is_not():
    world = Objects3D(16)
    factors = world.sample(900, torch.Generator().manual_seed(0))
    perfect = {
        name: v for n, f in measure(factors, factors, world, False).items() for name, v in flat(n, f, world).items()
    }
    assert perfect["lasso_disentanglement"] > 0.9
    assert perfect["forest_completeness"] > 0.9
    assert max(perfect[f"lasso_nrmse_{factor}"] for factor in FACTORS) < 0.1
    assert perfect["lasso_zero_shot"] < 0.1
    assert perfect["circular_lasso_nrmse_azimuth"] > 0.3  # one number does not give a cosine
    noise = torch.randn(900, 6, generator=torch.Generator().manual_seed(1))
    chance = {
        name: v for n, f in measure(noise, factors, world, False).items() for name, v in flat(n, f, world).items()
    }
    assert chance["lasso_nrmse"] > 0.9
    assert chance["forest_disentanglement"] < 0.2


def test_principal_components_see_every_picture_once(tmp_path):
    world = Objects3D(16)
    _, pool = draw(world, 1200, torch.Generator().manual_seed(0), seen=True)
    model = train(job("pca"), tmp_path, pool, False)
    assert model.rows == 1200
    expected = torch.linalg.svdvals((pool.double() / 255).flatten(1) - (pool.double() / 255).flatten(1).mean(0))
    torch.testing.assert_close(model.scales[:6].double(), expected[:6], rtol=1e-3, atol=0)


def test_a_dimension_is_moved_over_its_range_alone():
    model = make("pca", shape=(3, 8, 8), code_size=2, rank=4)
    with torch.no_grad():
        model.directions[0, 0], model.directions[1, 1] = 1.0, 1.0
    codes = torch.stack([torch.linspace(0, 1, 201), torch.full((201,), 0.5)], 1)
    pictures = moved(model, codes)
    assert pictures.shape == (2, 9, 3, 8, 8)
    assert pictures[0, :, 0, 0, 0].tolist() == sorted(pictures[0, :, 0, 0, 0].tolist())
    assert pictures[0, [0, -1], 0, 0, 0].tolist() == [round(255 * 0.025), round(255 * 0.975)]
    assert set(pictures[0, :, 0, 0, 1].tolist()) == {128}


def test_claims_need_the_difference_on_every_score_with_both_regressors():
    todo = [job(model, seed) for model in ("infogan", "pca") for seed in (0, 1)]
    ahead = both(nrmse=0.2, zero_shot=0.3, disentanglement=0.7, completeness=0.8)
    level = [result(), result(0.01)]
    won = claims(todo, [result(**ahead), result(**ahead), *level])
    assert [claim.shown for claim in won[2:]] == [True] * 4
    assert [claim.shown for claim in claims(todo, level + level)[2:]] == [False] * 4
    half = ahead | {"forest_nrmse": 0.5}
    assert [c.shown for c in claims(todo, [result(**half), result(**half), *level])[2:]] == [False, True, True, True]
    near = {f"{r}_{s}": PUBLISHED[r]["pca"][s][-1] + 0.1 for r in PUBLISHED for s in AVERAGES}
    assert [claim.shown for claim in claims([job("pca")], [result(**near)])] == [True, True]
    far = near | {"lasso_zero_shot": 0.5}
    assert [claim.shown for claim in claims([job("pca")], [result(**far)])] == [True, False]


def test_published_rows_stand_beside_ours_and_the_best_run_is_named():
    todo = [job("infogan", seed) for seed in (0, 1)]
    runs = [result(), result(**both(disentanglement=0.9, completeness=0.9))]
    assert best([r["scores"] for r in runs])["lasso_completeness"] == 0.9
    averages, *others = tables(todo, runs)
    assert [row[0] for row in averages.rows] == [
        "infogan, published",
        "infogan",
        "infogan, best",
        "infogan, circular",
    ]
    assert averages.rows[0][1:5] == ("0.18", "0.28", "0.77", "0.72")
    assert averages.rows[2][3] == "0.90"
    assert len(others) == 6
    assert others[0].rows[0] == ("infogan, published", "0.50", "0.09", "0.09", "0.13", "0.09", "0.18")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--model=infogam"], "infogan, pca"),
        (["--batch=1"], "batch must be at least 2"),
        (["--precision=half"], "--precision takes one of float32, bfloat16, auto, got 'half'"),
        (["--side=4"], "side must be"),
        (["--gamma=0"], "gamma"),
        (["--side=20", "--settings", '{"infogan": {"network": "residual"}}'], "8, 16, 32"),
    ],
)
def test_a_wrong_option_ends_in_a_message_before_any_training(wrong, message, tmp_path, capsys):
    if wrong[0].startswith("--model"):
        with pytest.raises(ValueError, match=message):
            jobs(Sweep(model="infogam"), Options())
        return
    with pytest.raises(SystemExit) as ended:
        command.main(["--preset=quick", f"--out={tmp_path / 'run'}", *wrong])
    assert message in str(ended.value) + capsys.readouterr().err
    assert not (tmp_path / "run").exists()
