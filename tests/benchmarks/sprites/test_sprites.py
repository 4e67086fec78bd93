import dataclasses
import json

import pytest
import torch

from benchmarks.harness.autoencoding import draw, reconstruction, seeded, sheet, traversal_figure
from benchmarks.harness.command import parse
from benchmarks.harness.options import Sweep
from benchmarks.metrics import mig
from benchmarks.sprites import run as sprites
from benchmarks.sprites.figures import curve_figure, kl_figure
from benchmarks.sprites.report import claims, tables
from benchmarks.sprites.run import LEARNERS, Job, Options, build, jobs, onsets, sampled_mig, train
from envs import make_world
from representations import load, make
from representations.model import pixels
from representations.parts.blur import blurred
from representations.parts.ramp import let_in

torch.set_num_threads(1)


def job(model: str, seed: int = 0, world: str = "dsprites", row: str = "") -> Job:
    budget = {"batch": 32, "precision": "float32", "samples": 400, "metric_seeds": 1, "test": 64}
    return Job(
        model, "quick", seed, "cpu", world=world, pictures=64, scores=(), settings={}, row=row or model, **budget
    )


def result(seed: int = 0, **scores) -> dict:
    base = {"nll": 50.0, "pixel_error": 0.01, "latents_used": 5.0, "beta_vae_fixed": 0.8, "factor_vae": 0.6}
    return {"seed": seed, "scores": base | scores, "seconds": {"training": 1.0}, "processor": 1.0}


def small(model: str, **settings):
    torch.manual_seed(0)
    return make(model, shape=(1, 16, 16), code_size=3, channels=4, hidden=8, **settings)


def test_the_command_trains_measures_and_reports(tmp_path, capsys):
    options = ["--preset", "quick", "--workers", "1", "--device", "cpu", "--out", str(tmp_path / "run"), "--seed", "5"]
    models = ["--model", "capacity_vae,factor_bottleneck", "--pictures", "128", "--samples", "150", "--scores", "mig"]
    sprites.main([*options, *models])
    printed = capsys.readouterr().out
    assert all(
        word in printed for word in ("capacity_vae", "factor_bottleneck", "noise", "random_linear", "orientation")
    )
    [folder] = (tmp_path / "run").glob("capacity_vae-seed5-*")
    drawn = {"kl.png", "stages.png", "traversals.png", "reconstructions.png", "positions.png"}
    assert drawn | {"config.yaml", "log.jsonl", "result.json", "model"} <= {path.name for path in folder.iterdir()}
    found = json.loads((folder / "result.json").read_text())
    assert found["seed"] == 5
    assert {"nll", "pixel_error", "latents_used", "mig"} <= set(found["scores"])
    assert load(folder / "model").capacity.ramp.done.item() == 4
    report = (tmp_path / "run" / "report.html").read_text()
    assert "data:image/png" in report
    before = (folder / "result.json").stat().st_mtime_ns
    sprites.main([*options, *models])
    assert (folder / "result.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--model", "beta_vea"], "the models are beta_vae"),
        (["--world", "sprite"], "unknown world 'sprite'"),
        (["--pictures", "8", "--batch", "16"], "batch must be"),
        (["--scores", "migg"], "unknown score 'migg'"),
        (["--rises", '{"capacity_vae": 1.5}'], "rises and blob_rise must be shares"),
        (["--blur_held", "0.7", "--blur_clear", "0.6"], "blur_held must be at most blur_clear, got 0.7 and 0.6"),
        (["--settings", '{"beta_vae": {"betta": 1}}', "--model", "beta_vae"], "its settings are beta"),
    ],
)
def test_a_wrong_option_ends_in_a_message_before_any_training(wrong, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        sprites.main(["--preset", "quick", "--out", str(tmp_path / "run"), *wrong])
    assert not (tmp_path / "run").exists()


def test_a_model_can_have_a_budget_of_its_own():
    own = Sweep(model="vae,factor_bottleneck", seeds=1)
    found = jobs(own, Options(pictures=100, batch=50, budgets={"factor_bottleneck": 300}))
    assert [j.pictures for j in found] == [100, 300]
    with pytest.raises(ValueError, match="at most pictures, got 50, 20"):
        jobs(own, Options(pictures=100, batch=50, budgets={"factor_bottleneck": 20}))


def test_jobs_cross_models_knobs_and_seeds():
    own = Sweep(model="vae,beta_vae", seeds=2)
    assert [j.row for j in jobs(own, Options())] == ["vae"] * 2 + ["beta_vae (beta 4)"] * 2
    curved = jobs(own, Options(curve=True, curves={"beta_vae": [1.0, 8.0]}))
    assert [j.row for j in curved[2:]] == ["beta_vae (beta 1)"] * 2 + ["beta_vae (beta 8)"] * 2
    assert curved[-1].settings == {"beta": 8.0}
    blobs = jobs(own, Options(world="blobs", worlds={"blobs": {"sigma": 5.0}, "dsprites": {}}))[-1]
    assert (blobs.row, blobs.world_settings, blobs.rise) == ("beta_vae (beta 150)", {"sigma": 5.0}, 0.5)


def test_pictures_clear_as_the_training_goes_on(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("benchmarks.sprites.run.fit", lambda model, batches, *_, **__: seen.append(batches))
    coarse = dataclasses.replace(job("vae"), pictures=200, batch=2, blur=5.0, blur_held=0.1, blur_clear=0.5)
    for each in (coarse, dataclasses.replace(coarse, blur=0.0)):
        train(None, each, make_world("dsprites"), tmp_path, False)
    blurs, sharp = ([pixels(each.draw(seeded(3), step)) for step in (0, 9, 30, 50, 99)] for each in seen)
    assert torch.equal(blurs[0], blurs[1])
    peaks = [picture.max().item() for picture in blurs]
    assert peaks[0] < peaks[2] < peaks[3] == peaks[4] == 1
    assert torch.equal(blurs[3], sharp[3])


class Noisy(torch.nn.Module):
    """Five latents that hold the factors, and five whose means do too, by a thousandth of their noise."""

    def __init__(self, world, closed):
        super().__init__()
        self.rows = {}
        self.world, self.closed = world, closed

    def posterior(self, pictures):
        each = torch.stack([self.rows[picture.numpy().tobytes()] for picture in pictures])
        return torch.cat([each, self.closed * each], 1), torch.cat([torch.full_like(each, -20.0), 0 * each], 1)


def test_samples_drown_what_closed_latents_tell():
    world = make_world("objects3d")
    autoencoder = Noisy(world, 1e-3)
    factors = world.sample(1000, seeded(8))
    low, high = (torch.tensor([getattr(f, side) for f in world.factors]) for side in ("low", "high"))
    for row, picture in zip((factors - low) / (high - low), world.render(factors), strict=True):
        autoencoder.rows[picture.numpy().tobytes()] = row
    of_means = mig(autoencoder.posterior(world.render(factors))[0], factors, list(world.factors))
    of_samples = sampled_mig(autoencoder, world, 1000, seeded(8), torch.device("cpu"))
    assert of_means == pytest.approx(0, abs=1e-6)
    assert of_samples > 0.7


def test_schedules_last_as_long_as_the_training_and_factors_have_their_ranges():
    world = make_world("objects3d")
    assert build(job("capacity_vae"), world).capacity.ramp.steps == 2
    assert build(dataclasses.replace(job("capacity_vae"), rise=0.5), world).capacity.ramp.steps == 1
    assert build(job("beta_vae"), world).ramp.steps == 0
    assert build(dataclasses.replace(job("beta_vae"), rise=0.5), world).ramp.steps == 1
    model = build(job("factor_bottleneck"), world)
    assert model.code_size == 5
    assert model.high.tolist() == pytest.approx([f.high for f in world.factors])


def test_a_factor_comes_in_when_its_kl_stays_above_half_a_nat():
    kl = [(0.0, 0.0), (0.7, 0.0), (0.3, 0.1), (0.9, 0.4), (2.0, 0.2)]
    logs = [{"bound/capacity": float(c), "bound/kl_0": a, "bound/kl_1": b} for c, (a, b) in enumerate(kl)]
    found = onsets(logs, ["x", "shape"])
    assert found == {"onset_x": 3.0, "kl_x": 2.0, "onset_shape": 5.0, "kl_shape": 0.2}


def test_reconstruction_by_hand():
    model = small("vae")
    with torch.no_grad():
        model.autoencoder.decoder[-1].weight.zero_()
        model.autoencoder.decoder[-1].bias.zero_()  # every pixel is drawn as 1/2
        model.autoencoder.encoder[-1][-1].weight.zero_()
        model.autoencoder.encoder[-1][-1].bias.copy_(torch.tensor([2.0, 0, 0, 0, 0, 0]))  # mean (2, 0, 0), variance 1
    found, kl = reconstruction(model.autoencoder, 255 * torch.ones(3, 1, 16, 16, dtype=torch.uint8))
    assert found["nll"] == pytest.approx(256 * 0.693147, rel=1e-4)
    assert found["pixel_error"] == pytest.approx(0.25)
    assert kl.tolist() == pytest.approx([2.0, 0.0, 0.0])
    assert found["latents_used"] == 1


def test_claims_hold_only_where_the_difference_does():
    rows = ["vae", "dip_vae", "beta_vae", "factor_vae", "capacity_vae"]
    todo = [job(model, seed) for model in rows for seed in (0, 1)]
    better = {
        "dip_vae": {"beta_vae_fixed": 0.9},
        "factor_vae": {"factor_vae": 0.7, "nll": 40.0},
        "capacity_vae": {"nll": 45.0},
    }
    results = [result(j.seed, **better.get(j.model, {})) for j in todo]
    assert [claim.shown for claim in claims(results, todo)] == [True, True, True]
    level = [result(j.seed) for j in todo]
    assert [claim.shown for claim in claims(level, todo)] == [False, False, False]
    asleep = [result(j.seed, **(better.get(j.model, {}) | {"latents_used": 0.0})) for j in todo]
    assert [claim.shown for claim in claims(asleep, todo)] == [False, False, False]
    blurred = [
        result(j.seed, **(better.get(j.model, {}) | ({"pixel_error": 0.02} if j.model == "dip_vae" else {})))
        for j in todo
    ]
    assert claims(blurred, todo)[0].shown is False


def test_colours_have_codes_of_their_own_only_where_each_has_another_and_on_every_seed():
    todo = [job("vae", seed, "objects3d") for seed in (0, 1)]

    def shown(*seeds: tuple[float, float]) -> bool | None:
        scores = [dict(zip(("corr_least", "features_used"), values, strict=True)) for values in seeds]
        found = [result(j.seed, corr_red=0.99, **more) for j, more in zip(todo, scores, strict=True)]
        return claims(found, todo)[0].shown

    assert shown((0.95, 3.0), (0.91, 3.0)) is True
    assert shown((0.99, 3.0), (0.85, 3.0)) is False
    assert shown((0.95, 3.0), (0.95, 2.0)) is False


def test_claims_of_curves_compare_their_best_points():
    knobs = [("beta_vae", "beta", 1), ("beta_vae", "beta", 8), ("factor_vae", "gamma", 5), ("factor_vae", "gamma", 9)]
    todo = [job(model, seed, row=f"{model} ({knob} {value})") for model, knob, value in knobs for seed in (0, 1)]

    def over(*points):
        return [result(factor_vae=score, nll=nll) for score, nll in points for _ in (0, 1)]

    shown = [c.shown for c in claims(over((0.5, 40.0), (0.6, 60.0), (0.7, 45.0), (0.4, 41.0)), todo)]
    assert shown == [True, True]
    shown = [c.shown for c in claims(over((0.6, 40.0), (0.5, 39.0), (0.7, 45.0), (0.4, 38.0)), todo)]
    assert shown == [False, False]  # worse beta draws better; the best gamma draws worse than the best beta


def test_a_second_form_is_a_row_of_its_own():
    own = Sweep(model="dip_vae,dip_vae_ii", seeds=1)
    first, second = jobs(own, Options(settings={"dip_vae_ii": {"lambda_od": 5.0}}))
    assert (first.row, second.row) == ("dip_vae (lambda_od 10)", "dip_vae_ii (lambda_od 5)")
    made = [build(j, make_world("dsprites")) for j in (first, second)]
    assert [(m.kind, m.lambda_od) for m in made] == [("I", 10.0), ("II", 5.0)]


def test_claims_of_blobs_and_of_the_order_of_factors():
    todo = [job("vae", world="blobs"), job("beta_vae", world="blobs")]
    assert claims([result(latents_used=4.0), result(latents_used=2.0)], todo)[0].shown
    assert not claims([result(latents_used=2.0), result(latents_used=2.0)], todo)[0].shown
    order = {"onset_x": 1.0, "onset_y": 1.0, "onset_scale": 6.0, "onset_shape": 9.0, "onset_orientation": 10.0}
    bottleneck = [job("factor_bottleneck")]
    assert claims([{"scores": order}], bottleneck)[0].shown
    assert not claims([{"scores": order | {"onset_scale": 9.5}}], bottleneck)[0].shown


def gains(pictures: torch.Tensor) -> torch.Tensor:
    """The betas, ascending, below which a code that says nothing gains by saying a little in one direction: eigenvalues of
    the covariance of pictures [n, C, H, W], every pixel divided by the standard deviation of a coin of its mean."""
    rows = pixels(pictures).flatten(1).double()
    mean = rows.mean(0)
    scaled = (rows - mean) / (mean * (1 - mean)).sqrt().clamp_min(1e-2)
    return torch.linalg.eigvalsh(scaled @ scaled.T / len(scaled))


def steepest(world) -> float:
    places = [torch.linspace(factor.low, factor.high, 20) for factor in world.factors]
    return gains(world.render(torch.cartesian_prod(*places)))[-1].item()


def test_the_blobs_of_the_presets_are_wide_enough_for_their_beta():
    for preset in ("quick", "default", "paper"):
        own, values = parse("sprites", Sweep, Options, ["--preset", preset, "--world", "blobs", "--model", "beta_vae"])
        found = jobs(own, Options(**values))[0]
        assert found.settings["beta"] == 150.0
        assert steepest(make_world("blobs", **found.world_settings)) > 200
        assert found.blur == 0  # a blur would bring it below
    assert steepest(make_world("blobs")) < 60


def test_the_greatest_kl_weight_of_the_default_lies_between_position_and_position_bent():
    own, values = parse("sprites", Sweep, Options, ["--model", "factor_vae"])
    found = jobs(own, Options(**values))[0]
    world = make_world("dsprites")
    learner, steps = build(found, world), found.pictures // found.batch
    weights = []
    for _ in range(round(found.blur_held * steps)):
        risen = learner.rise.now()
        weights.append((learner.first_beta + (1 - learner.first_beta) * risen) * let_in(risen, learner.easing))
        learner.rise.advance()
    at = gains(blurred(world.render(world.sample(1000, seeded(0))), found.blur)).flip(0)
    position, bent = at[1], at[3]  # between them is size
    assert position > 1.5 * max(weights)
    assert bent < 0.9 * max(weights)


def test_published_figures_stand_beside_the_row_they_belong_to():
    todo = [job("beta_vae", row="beta_vae (beta 4)"), job("beta_vae", row="beta_vae (beta 9)")]
    floor = {"random": {"beta_vae_fixed": 0.2, "factor_vae": 0.3}}
    main, every = tables([result(), result()], todo, floor)
    assert [row[-1] for row in main.rows] == ["80.7 %, 0.0032 a pixel", "", ""]
    assert [row[0] for row in every.rows] == ["beta_vae_fixed", "factor_vae"]


def test_figures_are_drawn_at_once():
    model = small("vae")
    pictures = torch.randint(0, 256, (4, 1, 16, 16), dtype=torch.uint8)
    assert traversal_figure(model.autoencoder, pictures[0], torch.tensor([0.1, 3.0, 1.0])).axes
    assert sheet([pictures, draw(model, model.encode(pictures))], ["pictures", "drawn"]).axes
    logs = [{"step": s, "bound/capacity": float(s), "bound/nll": 9.0 - s, "bound/kl_0": 0.1 * s} for s in range(3)]
    assert len(kl_figure(logs, ["x"]).axes) == 2
    todo = [job("beta_vae", row=f"beta_vae (beta {beta})") for beta in (1, 4)]
    figure = curve_figure([result(), result(nll=60.0)], todo)
    assert figure.axes[0].lines[0].get_xdata().tolist() == [50.0, 60.0]


@pytest.mark.parametrize("model", LEARNERS)
def test_the_paper_preset_takes_steps_on_a_cpu(model, tmp_path):
    own, values = parse("sprites", Sweep, Options, ["--preset", "paper", "--model", model, "--seed", "0"])
    [found] = jobs(own, Options(**values))
    world = make_world("dsprites")
    learner = build(found, world)
    logs = train(learner, dataclasses.replace(found, pictures=2 * found.batch, device="cpu"), world, tmp_path, False)
    assert logs[-1]["step"] == 2
    assert logs[-1]["bound/nll"] > 0
    if model in ("capacity_vae", "factor_bottleneck"):
        assert (learner.capacity.gamma, learner.capacity.ramp.last, learner.capacity.ramp.steps) == (
            1000.0,
            25.0,
            100_000,
        )


def test_nats_are_measured_as_they_are_learned_from_also_behind_a_rotation():
    pictures = torch.randint(0, 256, (40, 1, 16, 16), generator=seeded(0), dtype=torch.uint8)
    learner = small("beta_vae", turned=True).eval()
    with torch.no_grad():
        learner.autoencoder.turn.free.normal_(generator=seeded(1))
        torch.manual_seed(2)
        bound = learner.autoencoder.bound(pictures)
    torch.manual_seed(2)
    found, kl = reconstruction(learner.autoencoder, pictures)
    assert found["nll"] == pytest.approx(bound.nll.mean().item(), rel=1e-5)
    torch.testing.assert_close(kl, bound.kl.mean(0))
