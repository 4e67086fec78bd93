"""structured_vae and m2: latents as a graph, labels of some pictures, and that no hidden label reaches anything."""

import itertools
import math

import pytest
import torch
from torch.nn import functional

import representations
from representations import Decodes, Generates, fit
from representations.parts.latent_graph import nodes_of
from representations.parts.terms import bernoulli_nll, gaussian_kl

SHAPE = (1, 8, 8)
PAIR = {
    "left": {"kind": "categorical", "size": 3},
    "right": {"kind": "categorical", "size": 2, "reads": ["left"]},
    "style": {"kind": "gaussian", "size": 2, "reads": ["left", "right"]},
}
PARITY = {
    "parity": {"kind": "categorical", "size": 2},
    "digit": {"kind": "categorical", "size": 4, "parents": ["parity"]},
    "style": {"kind": "gaussian", "size": 2, "parents": ["digit"]},
    "size": {"kind": "categorical", "size": 2, "parents": ["style"]},
}
CLASSES_ALONE = {key: PAIR[key] for key in ("left", "right")}
LEARNERS = {
    "m2": ("m2", {"classes": 3, "style": 2, "hidden": 8}),
    "plug-in": ("structured_vae", {"structure": PAIR, "hidden": 8}),
    "marginal": ("structured_vae", {"structure": PAIR, "hidden": 8, "estimator": "marginal"}),
    "parity": ("structured_vae", {"structure": PARITY, "hidden": 8, "estimator": "marginal"}),
    "conv": ("structured_vae", {"structure": PAIR, "hidden": 8, "network": "conv", "channels": 2}),
}
each = pytest.mark.parametrize("kind", LEARNERS)


def model(kind, **more):
    name, settings = LEARNERS[kind]
    torch.manual_seed(0)
    return representations.make(name, **({"shape": SHAPE} | settings | more))


def batch_of(learner, generator, n=6):
    labels = torch.stack([torch.randint(size, (n,), generator=generator) for size in learner.graph.sizes], 1)
    known = torch.rand(labels.shape, generator=generator) < 0.5
    return {"x": torch.rand(n, *SHAPE, generator=generator), "y": labels, "labelled": known}


def loss_and_slopes(learner, batch):
    learner.zero_grad()
    torch.manual_seed(1)
    loss, logs = learner.loss(batch)
    loss.backward()
    return loss, logs, [p.grad.clone() for p in learner.parameters() if p.grad is not None]


@each
def test_no_label_of_an_unlabelled_picture_reaches_the_loss(kind, generator):
    learner, batch = model(kind), None
    for _ in range(3):
        batch = batch_of(learner, generator, 12)
        assert (~batch["labelled"]).any()
        found = loss_and_slopes(learner, batch)
        for other in (batch["y"].flip(0), torch.full_like(batch["y"], -1), torch.full_like(batch["y"], 10**6)):
            hidden = torch.where(batch["labelled"], batch["y"], other)
            again = loss_and_slopes(learner, batch | {"y": hidden})
            assert torch.equal(found[0], again[0])
            assert all(torch.equal(a, b) for a, b in zip(found[2], again[2], strict=True))
            assert all(torch.equal(found[1][key], again[1][key]) for key in found[1])


@each
def test_a_label_that_is_known_does_reach_the_loss(kind, generator):
    learner = model(kind)
    batch = batch_of(learner, generator) | {"labelled": torch.ones(6, dtype=torch.bool)}
    other = (batch["y"] + 1) % torch.tensor(learner.graph.sizes)
    assert not torch.equal(loss_and_slopes(learner, batch)[0], loss_and_slopes(learner, batch | {"y": other})[0])


def test_m2_is_the_published_objective(generator, monkeypatch):
    """Equations 6, 7 and 9 of Kingma et al. 2014, class by class, with z at its mean."""
    monkeypatch.setattr("representations.parts.latent_graph.gaussian_sample", lambda mean, logvar: mean)
    learner = model("m2", label_weight=3.0).eval()
    x, y = torch.rand(2, *SHAPE, generator=generator), torch.tensor([2, 0])
    flat = x.flatten(1)
    of_class, of_style = learner.graph.heads

    def through(head, given):
        return head.last(head.look(flat) + given)

    log_q = through(of_class, 0).log_softmax(-1)

    def minus_l(k):
        one = torch.zeros(2, 3)
        one[:, k] = 1
        mean, logvar = through(of_style, one @ of_style.given.weight.T).chunk(2, -1)
        nll = bernoulli_nll(learner.decoder(torch.cat([one, mean], 1)), x)
        return nll + gaussian_kl(mean, logvar) + math.log(3)

    bounds = torch.stack([minus_l(k) for k in range(3)], 1)
    labelled = bounds[0, y[0]]
    unlabelled = (log_q[1].exp() * (bounds[1] + log_q[1])).sum()
    wanted = 0.5 * (labelled + unlabelled) - 3.0 * log_q[0, y[0]]
    loss, _ = learner.loss({"x": x, "y": y, "labelled": torch.tensor([True, False])})
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_marginal_bound_lies_below_the_exact_likelihood_and_meets_it_where_all_is_known(generator):
    learner = model("marginal", structure=CLASSES_ALONE, label_weight=0.0).eval()
    x = torch.rand(4, *SHAPE, generator=generator)
    pairs = list(itertools.product(range(3), range(2)))
    values = torch.stack([torch.cat([torch.eye(3)[a], torch.eye(2)[b]]) for a, b in pairs])
    joint = torch.stack([-bernoulli_nll(learner.decoder(v.expand(4, -1)), x) - math.log(6) for v in values], 1)
    bound = -learner.loss(x)[0]
    assert bound < joint.logsumexp(1).mean()
    y = torch.tensor([[0, 1], [2, 0], [1, 1], [2, 1]])
    met = -learner.loss({"x": x, "y": y, "labelled": torch.ones(4, dtype=torch.bool)})[0]
    exact = joint[torch.arange(4), y[:, 0] * 2 + y[:, 1]].mean()
    assert met.item() == pytest.approx(exact.item(), rel=1e-5)


def test_plug_in_is_the_marginal_where_the_encoder_is_certain(generator, monkeypatch):
    monkeypatch.setattr("representations.parts.latent_graph.gaussian_sample", lambda mean, logvar: mean)
    learners = [model(kind) for kind in ("plug-in", "marginal")]
    with torch.no_grad():
        for head, place in zip(learners[0].graph.heads[:2], (1, 0), strict=True):
            head.look.bias[place] += 60
    learners[1].load_state_dict(learners[0].state_dict())
    x = torch.rand(5, *SHAPE, generator=generator)
    losses = [learner.loss(x)[0].item() for learner in learners]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_lines_are_the_values_that_labels_leave_open_and_weigh_1_a_picture(generator):
    learner = model("marginal")
    x, y = torch.rand(4, *SHAPE, generator=generator), torch.tensor([[0, 0], [2, 0], [0, 1], [1, 1]])
    known = torch.tensor([[False, False], [True, False], [False, True], [True, True]])
    look = learner.graph.look(learner.features(x), y, known, "marginal")
    assert torch.bincount(look.rows).tolist() == [6, 2, 3, 1]
    torch.testing.assert_close(look.mean(torch.ones(12), 4), torch.ones(4))
    assert look.values[look.rows == 1, :3].tolist() == [[0, 0, 1]] * 2
    assert look.values[look.rows == 2, 3:5].tolist() == [[0, 1]] * 3


def test_priors_of_nodes_with_parents_are_conditional(generator):
    graph = model("parity").graph
    drawn = graph.draw(4000, generator)
    for name in ("parity", "digit", "size"):
        assert set(drawn[:, graph.place[name]].sum(1).tolist()) == {1.0}
    odd = drawn[:, graph.place["parity"]][:, 0] == 1
    found = drawn[odd][:, graph.place["digit"]].mean(0)
    wanted = graph.prior(1, graph.nodes["digit"], {"parity": torch.tensor([[1.0, 0.0]])}, found)[0].softmax(-1)
    torch.testing.assert_close(found, wanted, atol=0.05, rtol=0)  # 2000 draws: 4.5 standard deviations


@each
def test_codes_are_probabilities_and_means_and_can_be_drawn(kind, generator):
    learner = model(kind).eval()
    x = (torch.rand(5, *SHAPE, generator=generator) * 255).to(torch.uint8)
    code = learner.encode(x)
    assert code.shape == (5, learner.code_size)
    assert torch.equal(code, learner.encode(x))
    for name in learner.graph.classes:
        torch.testing.assert_close(learner.node(code, name).sum(1), torch.ones(5))
    assert isinstance(learner, Decodes)
    assert isinstance(learner, Generates)
    drawn = learner.decode(code)
    assert drawn.shape == x.shape
    assert 0 <= drawn.min() <= drawn.max() <= 1
    pictures = learner.generate(3, torch.Generator().manual_seed(2))
    assert torch.equal(pictures, learner.generate(3, torch.Generator().manual_seed(2)))


@each
def test_a_stopped_run_resumes_to_the_same_numbers_and_a_saved_model_encodes_the_same(kind, tmp_path, generator):
    batch = batch_of(model(kind), generator)
    whole, broken, resumed = (model(kind) for _ in range(3))
    options = {"device": "cpu", "progress": False, "checkpoint_every": 2}
    fit(whole, lambda generator: batch, 4, torch.Generator().manual_seed(3), **options)
    fit(broken, lambda generator: batch, 2, torch.Generator().manual_seed(3), tmp_path / "run", **options)
    fit(resumed, lambda generator: batch, 4, torch.Generator().manual_seed(3), tmp_path / "run", resume=True, **options)
    again = representations.load(representations.save(resumed, tmp_path / "model"))
    assert torch.equal(whole.encode(batch["x"]), again.encode(batch["x"]))


@pytest.mark.parametrize("kind", ["m2", "plug-in"])
def test_one_label_a_class_and_many_pictures_without_are_enough(kind, generator):
    bars = torch.zeros(3, *SHAPE)
    for k in range(3):
        bars[k, 0, 3 * k : 3 * k + 2] = 1
    structure = {"digit": PAIR["left"], "style": {"kind": "gaussian", "size": 2, "reads": ["digit"]}}
    settings = {} if kind == "m2" else {"structure": structure}
    learner = model(kind, learning_rate=1e-2, hidden=32, **settings)
    fixed = (bars + 0.4 * torch.rand(3, *SHAPE, generator=generator)).clamp(0, 1)

    def batches(generator):
        y = torch.randint(3, (12,), generator=generator)
        free = (bars[y] * torch.rand(12, 1, 1, 1, generator=generator)).clamp(0, 1)
        x = torch.cat([fixed, free])
        labels = torch.cat([torch.arange(3), torch.full((12,), -1)])
        return {"x": x, "y": labels, "labelled": labels >= 0}

    fit(learner, batches, 150, torch.Generator().manual_seed(0), device="cpu", progress=False)
    found = learner.node(learner.encode(0.6 * bars), "digit").argmax(1)
    assert found.tolist() == [0, 1, 2]


def test_declarations_that_cannot_be_are_refused_by_node():
    wrong = [
        ({}, "at least one node"),
        ({"a": {"kind": "poisson", "size": 2}}, "node 'a'.*kind"),
        ({"a": {"kind": "gaussian"}}, "node 'a'.*size"),
        ({"a": {"kind": "gaussian", "size": 2, "width": 3}}, "node 'a'.*width"),
        ({"a": {"kind": "gaussian", "size": 2, "parents": ["b"]}}, "'b', which must be declared before"),
        ({"a": {"kind": "gaussian", "size": 2, "reads": ["a"]}}, "'a', which must be declared before"),
    ]
    for structure, message in wrong:
        with pytest.raises((ValueError, TypeError), match=message):
            nodes_of(structure)
    many = {str(k): {"kind": "categorical", "size": 10} for k in range(5)}
    with pytest.raises(ValueError, match=r"100000 values .* plug_in"):
        representations.make("structured_vae", structure=many, estimator="marginal")
    assert representations.make("structured_vae", structure=many).code_size == 50


def test_labels_that_cannot_be_are_refused(generator):
    learner = model("plug-in")
    batch = batch_of(learner, generator) | {"labelled": torch.ones(6, dtype=torch.bool)}
    with pytest.raises(ValueError, match=r"class indices below \(3, 2\), got 7"):
        learner.loss(batch | {"y": torch.full((6, 2), 7)})
    with pytest.raises(ValueError, match="y must have 2 columns, for left, right, got 1"):
        learner.loss(batch | {"y": batch["y"][:, 0]})


def test_a_class_set_anew_changes_the_class_that_the_decoder_is_told():
    learner = model("plug-in").eval()
    code = torch.zeros(1, learner.code_size)
    code[:, learner.graph.place["left"]] = functional.one_hot(torch.tensor([1]), 3).float()
    assert learner.node(code, "left").tolist() == [[0, 1, 0]]
    assert learner.node(code, "style").tolist() == [[0, 0]]


def test_the_gaussians_kl_weighs_less_and_less_until_it_weighs_1(generator):
    x, learner = torch.rand(4, *SHAPE, generator=generator), model("plug-in", closed=7.0, opening=2).eval()
    [player] = learner.objectives()
    losses = []
    for _ in range(4):
        torch.manual_seed(1)
        losses.append(player.loss(x)[0].item())
        player.after()
    torch.manual_seed(1)
    spread = learner.graph.look(learner.features(x), *learner.supervision(x)[1:], "plug_in").kl_gaussians.mean().item()
    plain = model("plug-in").eval()
    plain.load_state_dict({k: v for k, v in learner.state_dict().items() if k != "ramp.done"})
    torch.manual_seed(1)
    bound = plain.loss(x)[0].item()
    assert losses == pytest.approx([bound + 6 * spread, bound + 3 * spread, bound, bound], rel=1e-4)
