import numpy as np
import pytest

from benchmarks.metrics import cvr, mapc, tdv, ud90


def codes_of(covariance: np.ndarray, n: int = 500) -> np.ndarray:
    """Codes [n, p] whose sample covariance is exactly `covariance`."""
    noise = np.random.default_rng(0).normal(size=(n, len(covariance)))
    noise -= noise.mean(axis=0)
    white = noise @ np.linalg.inv(np.linalg.cholesky(np.cov(noise, rowvar=False))).T
    return white @ np.linalg.cholesky(covariance).T


def test_scores_of_a_covariance_by_hand():
    code = codes_of(np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.25]]))
    assert mapc(code) == pytest.approx((1 / 2 + 0 + 0) / 3, abs=1e-9)
    assert cvr(code) == pytest.approx((4 + 1 + 1 + 1 + 0.25) / 5.25)
    assert cvr(code, compat=True) == pytest.approx((4 + 1 + 1 + 1 + 0.25) / 5.25 / 9)
    assert tdv(code, 1) == pytest.approx(4 / 5.25)
    assert tdv(code, 9) == pytest.approx(1)
    assert ud90(code) == 2
    assert ud90(code, share=0.5) == 1


def test_uncorrelated_copied_and_constant_codes():
    diagonal = codes_of(np.diag([1.0, 2.0, 3.0]))
    assert (mapc(diagonal), cvr(diagonal)) == pytest.approx((0, 1), abs=1e-9)
    copies = np.repeat(diagonal[:, :1], 4, axis=1)
    assert (mapc(copies), cvr(copies), ud90(copies)) == pytest.approx((1, 4, 4))
    still = np.ones((50, 3))
    assert (mapc(still), cvr(still), tdv(still, 2), ud90(still)) == (0, 1, 0, 0)


def test_ten_equal_dimensions_use_nine():
    assert ud90(codes_of(np.eye(10))) == 9


def test_no_dimensions_and_one_sample_are_refused():
    with pytest.raises(ValueError, match="d must be at least 1"):
        tdv(np.eye(3), 0)
    with pytest.raises(ValueError, match="at least 2 rows"):
        mapc(np.ones((1, 3)))
