"""jade, paired_classifier and single_classifier: the bound term by term, and what sees a label."""

import pytest
import torch
from torch.nn import functional

import representations
from representations import Decodes, Generates, fit
from representations.jade import mirror, tower
from representations.parts.terms import bernoulli_nll, gaussian_kl

NAMES = ("jade", "paired_classifier", "single_classifier")
SMALL = {"shape": (3, 16, 16), "classes": 3, "content": 2, "filters": (3, 4, 3, 2), "hidden": 8}
PAIRED = {"secondary_shape": (1, 12, 12), "secondary_filters": (3, 3, 2)}


def model(name, **more):
    torch.manual_seed(0)
    paired = PAIRED if name != "single_classifier" else {}
    style = {"style": 3} if name == "jade" else {}
    return representations.make(name, **(SMALL | paired | style | more))


def batch_of(generator, n=6):
    x, other = torch.rand(n, 3, 16, 16, generator=generator), torch.rand(n, 1, 12, 12, generator=generator)
    return {"x": x, "y": torch.randint(3, (n,), generator=generator), "secondary": other}


def means(monkeypatch):
    monkeypatch.setattr("representations.jade.gaussian_sample", lambda mean, logvar: mean)


def test_the_loss_is_equation_2(generator, monkeypatch):
    means(monkeypatch)
    learner, batch = model("jade", label_weight=5.0, match_weight=3.0).eval(), batch_of(generator)
    for side in (learner.primary, learner.secondary):
        torch.nn.init.normal_(side.encoder[-1].weight, std=0.3)  # posteriors start alike, see below
    wanted, contents = 0.0, []
    for side, x in ((learner.primary, batch["x"]), (learner.secondary, batch["secondary"])):
        mean, logvar = side.encoder(x).chunk(2, -1)
        wanted += bernoulli_nll(side.decoder(mean), x).mean() + gaussian_kl(mean, logvar).mean()
        wanted += 5 * functional.cross_entropy(learner.classifier(mean[:, :2]), batch["y"])
        contents.append(torch.distributions.Normal(mean[:, :2], (logvar[:, :2] / 2).exp()))
    wanted += 3 * torch.distributions.kl_divergence(*contents).sum(-1).mean()
    assert learner.loss(batch)[0].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_posteriors_start_alike_so_that_no_pair_outweighs_all_else(generator):
    learner, batch = model("jade").eval(), batch_of(generator)
    (mean, logvar), (other, logvar_other) = (
        side.posterior(batch[key]) for side, key in ((learner.primary, "x"), (learner.secondary, "secondary"))
    )
    assert torch.equal(logvar, torch.full_like(logvar, -4.0))
    assert torch.equal(logvar, logvar_other)
    match = (mean - other)[:, :2].square().sum(1).mean() / 2 / torch.tensor(-4.0).exp()
    assert learner.loss(batch)[1]["match"].item() == pytest.approx(match.item(), rel=1e-4)
    learner.loss(batch)[0].backward()
    assert learner.primary.encoder[-1].weight.grad[5:].abs().amax(1).min() > 0  # and part at once


def test_posteriors_never_see_the_label(generator):
    learner, batch = model("jade").eval(), batch_of(generator)
    found = []
    for labels in (batch["y"], (batch["y"] + 1) % 3):
        torch.manual_seed(4)
        found.append(learner.loss(batch | {"y": labels})[1])
    assert not torch.equal(found[0]["label"], found[1]["label"])
    for key in found[0]:
        if not key.startswith("label"):
            assert torch.equal(found[0][key], found[1][key]), key


def test_style_does_not_reach_the_classifier(generator):
    learner, x = model("jade").eval(), batch_of(generator)["x"]
    before = learner.classify(x)
    with torch.no_grad():
        learner.primary.encoder[-1].bias[2:5] += 3
    assert torch.equal(before, learner.classify(x))
    assert not torch.equal(learner.encode(x)[:, 2:], model("jade").eval().encode(x)[:, 2:])


def test_contents_of_equal_encoders_match(generator):
    wide = (8, 8, 8, 8)
    same = {"secondary_shape": SMALL["shape"], "secondary_filters": wide, "filters": wide}
    learner, batch = model("jade", **same).eval(), batch_of(generator)
    learner.secondary.load_state_dict(learner.primary.state_dict())
    assert learner.loss(batch | {"secondary": batch["x"]})[1]["match"].item() == pytest.approx(0, abs=1e-6)
    assert learner.loss(batch | {"secondary": batch["x"].flip(0)})[1]["match"] > 0


def test_the_paired_loss_is_both_cross_entropies_and_the_single_one_the_first(generator):
    paired, single, batch = model("paired_classifier").eval(), model("single_classifier").eval(), batch_of(generator)
    single.load_state_dict(paired.state_dict(), strict=False)
    first = functional.cross_entropy(paired.classifier(paired.encoder(batch["x"])), batch["y"])
    second = functional.cross_entropy(paired.classifier(paired.secondary(batch["secondary"])), batch["y"])
    assert paired.loss(batch)[0].item() == pytest.approx((first + second).item(), rel=1e-6)
    assert single.loss(batch)[0].item() == pytest.approx(first.item(), rel=1e-6)
    assert torch.equal(single.loss(batch)[0], single.loss(batch | {"secondary": batch["secondary"].flip(0)})[0])


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (2, 9, 14)])
@pytest.mark.parametrize("filters", [(4, 5, 6, 2), (4, 3, 2), (2,)])
def test_decoders_mirror_encoders(shape, filters, generator):
    x = torch.rand(2, *shape, generator=generator)
    code = tower(shape, filters, 5)(x)
    assert code.shape == (2, 5)
    assert mirror(5, shape, filters)(code).shape == x.shape


@pytest.mark.parametrize("name", NAMES)
def test_codes_and_a_saved_model(name, tmp_path, generator):
    learner, batch = model(name), batch_of(generator)
    fit(learner, lambda generator: batch, 3, torch.Generator().manual_seed(0), device="cpu", progress=False)
    x = (255 * batch["x"]).to(torch.uint8)
    code = learner.encode(x)
    assert code.shape == (6, learner.code_size)
    assert learner.classify(x).shape == (6, 3)
    again = representations.load(representations.save(learner, tmp_path))
    assert torch.equal(again.encode(x), code)
    assert isinstance(learner, Decodes) == (name == "jade")
    assert isinstance(learner, Generates) == (name == "jade")
    if name == "jade":
        assert learner.decode(code).shape == x.shape
        assert learner.generate(2, generator).shape == (2, 3, 16, 16)


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_run_resumes_to_the_same_numbers(name, tmp_path, generator):
    batch = batch_of(generator)
    whole, broken, resumed = (model(name) for _ in range(3))
    options = {"device": "cpu", "progress": False, "checkpoint_every": 2}
    fit(whole, lambda generator: batch, 4, torch.Generator().manual_seed(3), **options)
    fit(broken, lambda generator: batch, 2, torch.Generator().manual_seed(3), tmp_path, **options)
    fit(resumed, lambda generator: batch, 4, torch.Generator().manual_seed(3), tmp_path, resume=True, **options)
    assert torch.equal(whole.encode(batch["x"]), resumed.encode(batch["x"]))


@pytest.mark.parametrize("name", NAMES)
def test_learns_classes_that_a_stripe_tells(name, generator):
    stripes = torch.zeros(3, 3, 16, 16)
    for k in range(3):
        stripes[k, :, 5 * k : 5 * k + 4] = 1
    batch = {"x": stripes.repeat(4, 1, 1, 1), "y": torch.arange(3).repeat(4)}
    batch |= {"secondary": batch["x"][:, :1, :12, :12]}
    more = {"label_weight": 300.0} if name == "jade" else {}
    more |= {"secondary_filters": (8, 8, 8)} if name != "single_classifier" else {}
    learner = model(name, learning_rate=3e-3, dropout=0.1, hidden=32, content=4, filters=(8, 8, 8, 8), **more)
    fit(learner, lambda generator: batch, 150, torch.Generator().manual_seed(0), device="cpu", progress=False)
    assert learner.classify(stripes).argmax(1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_cannot_be_are_refused(name, generator):
    learner, batch = model(name), batch_of(generator)
    with pytest.raises(ValueError, match="y must be classes below 3"):
        learner.loss(batch | {"y": batch["y"] + 3})
    with pytest.raises(ValueError, match="labelled examples alone"):
        learner.loss(batch | {"labelled": torch.arange(6) < 3})
    with pytest.raises(ValueError, match="at least 8 pixels"):
        model(name, shape=(3, 4, 16))
