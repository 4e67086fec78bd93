import math

import pytest
import torch

from benchmarks.metrics import ORACLES, PROTOCOLS, SCORES, baseline_rows, score, score_oracle
from benchmarks.metrics.scoring import draw_pool


def seed(value: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(value)


def flat(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.flatten(1).float()


def test_every_score_is_finite_has_an_interval_and_repeats(world):
    first = score(flat, world, None, seed(), samples=400, seeds=2)
    assert first == score(flat, world, None, seed(), samples=400, seeds=2)
    assert all(isinstance(value, float) and math.isfinite(value) for value in first.values())
    assert (first["samples"], first["metric_seeds"], first["code_size"]) == (400, 2, 8)
    for name in SCORES:
        key = f"{name}_completeness" if name.startswith("dci") else name
        assert first[f"{key}_low"] <= first[key] <= first[f"{key}_high"]
    assert "dci_forest_nrmse_turn" in first


def test_every_score_names_its_protocol():
    assert set(PROTOCOLS) == set(SCORES)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize("oracle", ["constant", "random", "pca"])
def test_no_oracle_puts_nan_in_a_table(oracle, compat, world):
    names = [name for name in SCORES if name != "dci_boosted"]
    row = score_oracle(oracle, world, names, seed(), samples=300, seeds=1, compat=compat, code_size=4)
    assert all(math.isfinite(value) for value in row.values())


def test_pictures_are_encoded_once(world):
    seen = []

    def encode(pictures):
        assert pictures.dtype == torch.uint8
        seen.append(len(pictures))
        return flat(pictures)

    score(encode, world, ["mig", "factor_vae", "beta_vae_fixed"], seed(), samples=1200)
    assert sum(seen) == 1200
    seen.clear()
    score(encode, world, ["beta_vae_changed"], seed(), samples=1200)
    assert 1200 < sum(seen) <= 2400


def test_pairs_differ_in_the_named_factor_alone(world):
    pool = draw_pool(lambda factors: factors, world, 500, seed(), view=lambda factors: factors)
    differs = pool.first != pool.second
    assert (differs.sum(axis=1) == 1).all()
    assert (differs.argmax(axis=1) == pool.changed).all()
    assert set(pool.changed) == set(range(5))


def test_identity_beats_the_baselines(world):
    names = ["mig", "sap", "dci_lasso"]
    best = score_oracle("identity", world, names, seed(), samples=1500, seeds=1)
    rows = baseline_rows(world, names, seed(), samples=1500, seeds=1)
    assert set(rows) == {"random", "random_linear", "random_pixels"}
    for row in rows.values():
        for name in ("mig", "sap", "dci_lasso_disentanglement"):
            assert best[name] > row[name] + 0.05


def test_a_gap_gives_zero_shot_errors(world):
    gap = lambda f: (f["x"] > 0) & (f["y"] > 0.5)  # noqa: E731
    row = score(flat, world, ["dci_lasso"], seed(), samples=400, seeds=1, gap=gap)
    assert row["dci_lasso_zero_shot_x"] < 0.2


def test_bad_requests_are_refused(world):
    with pytest.raises(ValueError, match=r"unknown score 'migg'; the scores are .*mig"):
        score(flat, world, ["migg"], seed())
    with pytest.raises(ValueError, match="at least 100"):
        score(flat, world, ["mig"], seed(), samples=1)
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        score(flat, world, ["mig"], seed(), samples=100, seeds=0)
    with pytest.raises(ValueError, match=r"code tensor \[100, D\]"):
        score(lambda pictures: pictures, world, ["mig"], seed(), samples=100)
    with pytest.raises(ValueError, match=r"codes\[0, 0\] is nan"):
        score(lambda pictures: flat(pictures) * math.nan, world, ["mig"], seed(), samples=100)
    with pytest.raises(ValueError, match="unknown encoder 'vae'; the encoders are identity"):
        score_oracle("vae", world, ["mig"], seed())
    assert set(ORACLES) >= {"identity", "rotation", "constant", "random", "pca"}
