"""Scores of what people bring: arrays of codes, modules, names of worlds."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import SCORES, mig, score, score_codes
from envs import make_world
from envs.world import Factor


def truth(n=400):
    draws = np.random.default_rng(0)
    return np.stack([draws.integers(0, 4, n), draws.uniform(0, 2 * np.pi, n), draws.uniform(-1, 1, n)], 1)


KINDS = ["categorical", ("circular", 2 * np.pi), "continuous"]


def test_every_score_but_that_of_pairs_applies_to_codes_with_factors():
    factors = truth()
    codes = np.concatenate([factors, np.random.default_rng(1).normal(size=(400, 1))], 1)
    found = score_codes(codes, factors, KINDS, seeds=1)
    for name in SCORES:
        assert any(key.startswith(name) for key in found) == (name != "beta_vae_changed"), name
    assert all(np.isfinite(value) for value in found.values())
    assert found["samples"] == 400


def test_a_score_of_codes_is_that_of_the_function():
    factors = truth()
    [found] = [score_codes(factors, factors, KINDS, ["mig"], seeds=1)["mig"]]
    assert found == pytest.approx(mig(factors, factors, KINDS), abs=0.05)  # of four fifths of the rows
    named = score_codes(factors, factors, [Factor.categorical("a", 4), *KINDS[1:]], ["mig"], seeds=1)["mig"]
    assert named == found


def test_codes_alone_have_scores_too():
    codes = np.random.default_rng(0).normal(size=(200, 3))
    found = score_codes(codes, None, seeds=1)
    assert {"mapc", "cvr", "ud90", "code_dependence"} <= found.keys()
    with pytest.raises(ValueError, match="mig does not apply to these codes, it needs factors"):
        score_codes(codes, None, names=["mig"])
    with pytest.raises(ValueError, match="beta_vae_changed does not apply to these codes, it needs pairs"):
        score_codes(codes, codes, names=["beta_vae_changed"])


class Half(torch.nn.Module):
    """Encodes by a layer that is random in training."""

    def __init__(self):
        super().__init__()
        self.drop, self.mix = torch.nn.Dropout(0.5), torch.nn.Linear(1600, 3)

    def forward(self, pictures):
        return self.mix(self.drop(pictures.flatten(1).float() / 255))


def test_a_module_a_function_of_arrays_and_the_name_of_a_world_are_taken():
    torch.manual_seed(0)
    model = Half()
    options = {"samples": 200, "seeds": 1}
    first = score(model, "planar", ["mig"], **options)
    assert model.training
    same = score(lambda pictures: model.eval()(pictures).numpy(), make_world("planar"), ["mig"], **options)
    assert first == same
    with pytest.raises(TypeError, match="codes that are computed already go to score_codes"):
        score(np.zeros((200, 3)), "planar")
