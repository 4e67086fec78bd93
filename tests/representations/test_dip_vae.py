import pytest
import torch

import representations
from representations.parts.terms import covariance, identity_distance

torch.set_num_threads(1)


def model(**settings):
    torch.manual_seed(0)
    small = {"shape": (1, 16, 16), "code_size": 3, "channels": 4, "hidden": 8}
    return representations.make("dip_vae", **(small | settings))


def test_lambda_d_is_ten_times_lambda_od_unless_told():
    assert model(lambda_od=2.0).lambda_d == 20
    assert model(lambda_od=2.0, lambda_d=0.0).lambda_d == 0


def test_first_estimate_is_the_batch_and_later_ones_remember():
    learner = model(memory=0.75)
    batches = [torch.randn(20, 3) for _ in range(6)]
    seen = [learner.inferred_covariance(batch, torch.zeros(20, 3)) for batch in batches]
    each = [covariance(batch) for batch in batches]
    torch.testing.assert_close(seen[0], each[0])
    torch.testing.assert_close(seen[3], sum(each[:4]) / 4)
    torch.testing.assert_close(seen[5], 0.75 * (0.75 * seen[3] + 0.25 * each[4]) + 0.25 * each[5])
    torch.testing.assert_close(learner.running, seen[5])


def test_a_look_outside_training_leaves_the_estimate():
    learner = model().eval()
    learner.inferred_covariance(torch.randn(20, 3), torch.zeros(20, 3))
    assert torch.equal(learner.running, torch.eye(3))
    assert learner.batches.item() == 0


def test_gradient_is_that_of_the_penalty_at_the_running_covariance():
    """d/d mean of sum w_ij V_ij^2 with the coefficients 2 w V from the running estimate and d V from the batch."""
    learner = model(memory=0.9)
    for _ in range(12):
        learner.inferred_covariance(torch.randn(30, 3), torch.zeros(30, 3))
    mean = torch.randn(30, 3, requires_grad=True)
    running = learner.inferred_covariance(mean, torch.zeros(30, 3))
    ours = torch.autograd.grad(identity_distance(running, 10.0, 100.0), mean)[0]
    value = running.detach()
    coefficient = 2 * 10 * value
    coefficient.diagonal().copy_(2 * 100 * (value.diagonal() - 1))
    centred = (mean - mean.mean(0)).detach()
    torch.testing.assert_close(ours, 2 * centred @ coefficient / 29)


def test_the_second_kind_adds_the_posterior_variance():
    mean, logvar = torch.randn(20, 3), torch.randn(20, 3)
    first = model(kind="I").inferred_covariance(mean, logvar)
    second = model(kind="II").inferred_covariance(mean, logvar)
    torch.testing.assert_close(second - first, torch.diag(logvar.exp().mean(0)))


def test_one_picture_has_no_covariance():
    with pytest.raises(ValueError, match="at least 2 pictures, got 1"):
        model().loss(torch.zeros(1, 1, 16, 16, dtype=torch.uint8))
