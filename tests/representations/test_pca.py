import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA as Reference

import representations
from representations import fit, load, make, save


def pictures(n: int = 120) -> torch.Tensor:
    """Pictures whose directions have very different variances, so that each component is its own."""
    draw = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(48, 5, generator=draw))[0]
    spread = torch.tensor([0.8, 0.5, 0.3, 0.15, 0.08])
    return (0.5 + 0.5 * (torch.rand(n, 5, generator=draw) - 0.5) * spread @ basis.T).view(n, 3, 4, 4)


def fitted(x: torch.Tensor, batch: int, **settings):
    model = make("pca", shape=(3, 4, 4), code_size=3, **({"rank": 8} | settings))
    rows = iter(x.split(batch))
    fit(model, lambda generator: next(rows), len(x) // batch, torch.Generator(), progress=False, device="cpu")
    return model


@pytest.mark.parametrize("batch", [120, 20])
def test_codes_are_those_of_an_independent_solver_at_once_and_in_batches(batch):
    x = pictures()
    model, reference = fitted(x, batch), Reference(3).fit(x.flatten(1).numpy())
    expected = reference.transform(x.flatten(1).numpy())
    found = model.encode(x).detach().numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    np.testing.assert_allclose(model.variances.numpy(), reference.explained_variance_, rtol=1e-4)
    assert model.rows == 120


def test_rows_beyond_the_rank_are_cut_with_little_loss():
    noise = 0.01 * torch.randn(120, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    x = (pictures() + noise).clamp(0, 1)
    whole, parts = (fitted(x, batch).encode(x).detach() for batch in (120, 20))
    for k in range(3):
        assert torch.corrcoef(torch.stack([whole[:, k], parts[:, k]]))[0, 1] > 0.999


def test_decoding_gives_the_nearest_picture_and_codes_survive_it():
    x = pictures()
    model = fitted(x, 120)
    drawn = model.decode(model.encode(x))
    left = (x - drawn).square().sum().item()
    values = np.linalg.svd((x - x.mean(0)).flatten(1).numpy(), compute_uv=False)
    assert left == pytest.approx(float((values[3:] ** 2).sum()), rel=1e-3)
    torch.testing.assert_close(model.encode(drawn), model.encode(x), atol=1e-5, rtol=0)


def test_constant_pictures_have_the_constant_code():
    model = fitted(torch.full((40, 3, 4, 4), 0.25), 40)
    assert model.encode(torch.full((2, 3, 4, 4), 0.25)).abs().max() < 1e-6
    assert torch.isfinite(model.directions).all()


def test_a_saved_one_gives_the_same_codes_and_a_killed_run_goes_on(tmp_path):
    x = pictures()

    def train(folder, steps, resume):
        model = make("pca", shape=(3, 4, 4), code_size=3, rank=8)
        draw = torch.Generator().manual_seed(2)
        options = {"progress": False, "log_every": 1, "checkpoint_every": 1, "resume": resume, "device": "cpu"}
        fit(model, lambda g: x[torch.randint(120, (16,), generator=g)], steps, draw, tmp_path / folder, **options)
        return model

    whole = train("whole", 6, False)
    train("broken", 3, False)
    resumed = train("broken", 6, True)
    assert torch.equal(whole.encode(x), resumed.encode(x))
    again = load(save(whole, tmp_path / "model"))
    assert torch.equal(again.encode(x), whole.encode(x))


def test_impossible_settings_are_named():
    with pytest.raises(ValueError, match="code_size <= rank"):
        representations.make("pca", code_size=9, rank=8)
    with pytest.raises(ValueError, match="shape"):
        representations.make("pca", shape=(64, 64))
    with pytest.raises(ValueError, match="code must be a float"):
        make("pca", shape=(3, 4, 4), rank=8).decode(torch.zeros(2, 5))
