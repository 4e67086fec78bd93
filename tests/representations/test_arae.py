"""text_ae and arae: codes, decoders, and the six moves of the adversarial game, whose directions are checked one by one."""

import pytest
import torch

from representations.fit import fit
from representations.registry import load, make, save

NAMES = ("text_ae", "arae")


def said(n, generator):
    """Sentences "topic is sentiment .": topics 4 to 6, sentiments 8 and 9 (class 0) or 10 and 11 (class 1)."""
    topic = torch.randint(4, 7, (n,), generator=generator)
    y = torch.randint(2, (n,), generator=generator)
    word = 8 + 2 * y + torch.randint(2, (n,), generator=generator)
    x = torch.stack([topic, torch.full_like(y, 7), word, torch.full_like(y, 2), torch.zeros_like(y)], 1)
    return {"x": x, "y": y}


def small(name="arae", **more):
    torch.manual_seed(0)
    settings = {"words": 12, "length": 6, "embedding": 8, "code_size": 24, "learning_rate": 1e-2}
    settings |= {"hidden": 16, "latent": 4} if name == "arae" else {}
    return make(name, **(settings | more))


def batch(n=24):
    return said(n, torch.Generator().manual_seed(5))


def player(model, name):
    return next(found for found in model.objectives() if found.name == name)


def step(model, name, rows, times=1):
    """Move one player."""
    mover = player(model, name)
    optimizer = mover.optimizer(mover.parameters)
    for _ in range(times):
        optimizer.zero_grad()
        mover.loss(rows)[0].backward(inputs=mover.parameters)
        optimizer.step()
        if mover.after is not None:
            mover.after()


@pytest.mark.parametrize("name", NAMES)
def test_codes_lie_on_the_sphere_and_know_no_padding(name):
    model, rows = small(name), batch()
    code = model.encode(rows["x"])
    assert code.shape == (24, model.code_size) == (24, 24)
    assert torch.allclose(code.norm(dim=1), torch.ones(24))
    wide = torch.nn.functional.pad(rows["x"], (0, 3))
    assert torch.allclose(model.encode(wide), code, atol=1e-6)
    assert torch.allclose(model.encode(rows["x"][:3]), code[:3], atol=1e-6)
    assert model.encode(rows["x"][:0]).shape == (0, 24)
    assert model.nll(code, rows).item() == pytest.approx(model.nll(code, rows | {"x": wide}).item(), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_learned_by_heart_and_told_again(name, tmp_path):
    model, rows = small(name, noise=0.0), batch(12)
    step(model, "autoencoder", rows, 150)
    assert model.moves == 150
    assert torch.equal(model.transfer(rows["x"], rows["y"])[:, :5], rows["x"])
    moved = model.transfer(rows["x"], 1 - rows["y"])
    assert moved.shape == (12, 6)
    assert ((moved[:, 2] >= 10).long() == 1 - rows["y"]).float().mean() > 0.9  # each decoder knows its own words only
    save(model, tmp_path)
    assert torch.equal(load(tmp_path).transfer(rows["x"], 1 - rows["y"]), moved)


def test_the_likelihood_is_that_of_each_rows_own_decoder():
    """In one call for both values, and row by row, weighed by their words."""
    model, rows = small(), batch(9)
    rows["x"][4] = torch.tensor([5, 2, 0, 0, 0])
    code = model.encode(rows["x"])
    each = [model.nll(code[k : k + 1], {name: part[k : k + 1] for name, part in rows.items()}) for k in range(9)]
    words = (rows["x"] != 0).sum(1)
    assert model.nll(code, rows).item() == pytest.approx(
        ((torch.stack(each) * words).sum() / words.sum()).item(), rel=1e-5
    )
    assert model.nll(code, rows).item() != pytest.approx(model.nll(code, rows | {"y": 1 - rows["y"]}).item(), rel=1e-4)
    alone = rows | {"y": torch.ones_like(rows["y"])}
    assert model.nll(code, alone).isfinite()


def test_decoders_share_their_output_layer_and_nothing_else():
    model, rows = small(), batch()
    ones = {name: part[rows["y"] == 1] for name, part in rows.items()}
    loss = model.autoencoder_loss(ones)[0]
    parts = [model.output.weight, *model.decoders[1].parameters(), *model.decoders[0].parameters()]
    found = torch.autograd.grad(loss, parts, allow_unused=True)
    assert found[0].abs().sum() > 0
    half = len(list(model.decoders[0].parameters()))
    assert all(part.abs().sum() > 0 for part in found[1 : 1 + half])
    assert all(part is None for part in found[1 + half :])


def test_the_noise_of_codes_falls_and_is_none_for_encode():
    model, rows = small(noise=0.5, anneal=0.5), batch()
    calm = model.nll(model.encode(rows["x"]), rows).item()
    spreads = []
    for moves in (0, 100, 200, 100_000):
        model.moves.fill_(moves)
        torch.manual_seed(3)
        spreads.append(abs(model.reconstruction(rows).item() - calm))
    assert spreads[3] < 1e-6 < spreads[2]
    seen = []
    model.nll = lambda code, rows: seen.append(code) or code.sum()
    for moves in (0, 100):
        model.moves.fill_(moves)
        torch.manual_seed(3)
        model.reconstruction(rows)
    noise = [code - model.encode(rows["x"]) for code in seen]
    assert noise[0].std().item() == pytest.approx(0.5, rel=0.15)
    assert torch.allclose(noise[1], noise[0] / 2, atol=1e-6)


def test_six_players_move_in_the_order_of_algorithm_1():
    players = small(repeats=3).objectives()
    names = ["autoencoder", "critic", "classifier", "generator", "encoder_critic", "encoder_classifier"]
    assert [found.name for found in players] == names
    assert [found.repeats for found in players] == [1, 3, 1, 1, 1, 1]


def test_no_player_moves_what_is_anothers():
    names = {"autoencoder": ("embedding", "encoder", "decoders", "output"), "generator": ("generator",)}
    names |= {"critic": ("critic",), "classifier": ("classifier",)}
    names |= dict.fromkeys(("encoder_critic", "encoder_classifier"), ("embedding", "encoder"))
    model, rows = small(), batch()
    for name, own in names.items():
        before = {key: value.clone() for key, value in model.named_parameters()}
        step(model, name, rows)
        moved = {key.split(".")[0] for key, value in model.named_parameters() if not torch.equal(value, before[key])}
        assert moved == set(own), name


@pytest.mark.parametrize("name", ["critic", "classifier"])
def test_no_gradient_of_the_critics_and_the_classifiers_moves_reaches_encoder_or_generator(name):
    model, rows = small(), batch()
    model.zero_grad()
    getattr(model, f"{name}_loss")(rows)[0].backward()
    for part in (model.embedding, model.encoder, model.generator):
        assert all(parameter.grad is None for parameter in part.parameters())


def worths(model, rows):
    """The mean worth of the encoder's codes and of the generator's, of the same noise each time."""
    noise = torch.randn(200, model.latent, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return [model.critic(code).mean().item() for code in (model.encode(rows["x"]), model.imagine(noise))]


def test_the_critic_tells_codes_apart_and_encoder_and_generator_move_against_it():
    model, rows = small(repeats=1, weigh_critic=1.0, encoder_rate=0.05, adversary_rate=2e-3), batch(60)
    real, fake = worths(model, rows)
    step(model, "critic", rows, 30)
    after = worths(model, rows)
    assert after[0] - after[1] > real - fake + 0.05
    step(model, "generator", rows, 5)
    assert worths(model, rows)[1] > after[1] + 1e-3
    step(model, "encoder_critic", rows, 5)
    assert worths(model, rows)[0] < after[0] - 1e-3


def test_the_encoder_moves_to_where_the_classifier_is_wrong():
    model, rows = small(encoder_rate=0.2, adversary_rate=1e-2), batch(60)
    first = model.classifier_loss(rows)[0].item()
    step(model, "classifier", rows, 150)
    told, logs = model.classifier_loss(rows)
    assert told < 0.3 * first
    assert logs["accuracy"] > 0.95
    step(model, "encoder_classifier", rows, 20)
    assert model.classifier_loss(rows)[0] > told + 0.1


def test_the_weights_scale_the_encoders_moves():
    rows = batch()
    for name, weight in (("encoder_critic", "weigh_critic"), ("encoder_classifier", "weigh_class")):
        moves = []
        for value in (1.0, 3.0):
            model = small(**{weight: value})
            before = model.encoder.weight_hh_l0.detach().clone()
            step(model, name, rows)
            moves.append(model.encoder.weight_hh_l0.detach() - before)
        assert torch.allclose(moves[1], 3 * moves[0], rtol=1e-3, atol=1e-7), name


def test_the_critics_weights_are_clipped_where_asked():
    model, rows = small(clip=0.01, penalty=0.0), batch()
    step(model, "critic", rows)
    assert max(parameter.abs().max() for parameter in model.critic.parameters()) <= 0.01
    assert "penalty" in model.critic_loss(rows)[1]


def test_every_other_value_is_a_target_where_there_are_three():
    """By a classifier that is sure of the true value, which is never the target."""
    model, rows = small(classes=3), batch(60)
    logits = 30.0 * torch.nn.functional.one_hot(rows["y"], 3)
    model._told = lambda code: logits
    assert model.encoder_classifier_loss(rows)[0].item() == pytest.approx(30.0, rel=1e-3)
    assert make("arae", words=12, length=6, classes=3).transfer(rows["x"], torch.full((60,), 2)).shape == (60, 6)


def test_sentences_are_drawn_by_the_latent_gan(generator):
    model = small()
    first = model.generate(7, torch.Generator().manual_seed(2))
    assert first.shape == (7, 6)
    assert torch.equal(first, model.generate(7, torch.Generator().manual_seed(2)))
    for sentence in first.tolist():
        assert 1 not in sentence
        end = sentence.index(2) if 2 in sentence else 5
        assert 0 not in sentence[:end]
        assert sentence[end + 1 :] == [0] * (5 - end)


def test_training_together_is_finite_and_reconstructs():
    logs = fit(
        small(noise=0.02, encoder_rate=0.1),
        lambda g: said(24, g),
        120,
        torch.Generator().manual_seed(0),
        device="cpu",
        progress=False,
        log_every=30,
    )
    assert logs[-1]["autoencoder/nll"] < 0.5 * logs[0]["autoencoder/nll"]


def test_wrong_sentences_are_named():
    model = small()
    with pytest.raises(ValueError, match=r"0 \.\. 11, got 0 \.\. 12"):
        model.encode(torch.tensor([[12, 2, 0]]))
    with pytest.raises(ValueError, match="y"):
        model.autoencoder_loss({"x": batch()["x"], "y": torch.tensor([0])})
    with pytest.raises(ValueError, match="classes"):
        make("text_ae", classes=1)
