"""DIP-VAE: disentangled inferred prior (Kumar, Sattigeri & Balakrishnan 2017).

    maximise  ELBO - lambda_od sum_{i != j} [V]_ij^2 - lambda_d sum_i ([V]_ii - 1)^2                          (eq. 5)

    V = Cov_p(x) mean(x)                                 DIP-VAE-I
    V = Cov_p(x) mean(x) + E_p(x) diag exp logvar(x)     DIP-VAE-II: all of Cov_q(z) z                        (eq. 4)

V is a running estimate, V_t = m V_{t-1} + (1 - m) V_batch, with V_{t-1} constant. The gradient of the penalty at V_t
is passed to V_batch whole, not times 1 - m, so that a lambda means the same whatever the memory m. A long memory is a
delay in a loop of control: where the code's spread can change much within 1 / (1 - m) steps it overshoots, is pushed
back, and ends at 0, where the penalty has no gradient. High learning rates want a short one.

With few pictures in a batch V is noisy, and so is a gradient of 2 lambda (V - I): at lambda_d 100, a memory of a half and
32 pictures, V near I, it was 1.7 times that of the likelihood at the means, and at lambda_d 10 a sixth.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from borders import NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Pictures
from representations.parts.autoencoder import PictureVAE
from representations.parts.terms import covariance, identity_distance
from representations.parts.together import average


class DIPVAE(PictureVAE):
    """DIP-VAE of pictures `shape` = (C, H, W); `lambda_d` is 10 `lambda_od` unless told, as in the paper.

    `kind` chooses which covariance is drawn to the identity: "I" that of the posterior means, "II" that of the codes.
    `memory` is the share of the running covariance that a batch leaves.
    Networks as in Burgess et al. 2018, A.1, with `apart` features of its own for every colour.
    """

    running: Tensor
    batches: Tensor

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        lambda_od: NonNegative = 10.0,
        lambda_d: NonNegative | None = None,
        kind: Literal["I", "II"] = "I",
        memory: Share = 0.9,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        apart: bool = False,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, apart=apart)
        if kind not in ("I", "II"):
            raise ValueError(f"kind must be 'I' or 'II', got {kind!r}")
        if not 0 <= memory < 1:
            raise ValueError(f"memory must be at least 0 and below 1, got {memory}")
        self.kind, self.memory = kind, memory
        self.lambda_od, self.lambda_d = lambda_od, 10 * lambda_od if lambda_d is None else lambda_d
        if not (self.lambda_od >= 0 and self.lambda_d >= 0):
            raise ValueError(f"lambda_od and lambda_d must not be negative, got {self.lambda_od}, {self.lambda_d}")
        self.register_buffer("running", torch.eye(code_size))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))

    def inferred_covariance(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """V_t [d, d] with a batch of posteriors [n, d], counted in training; ValueError for fewer than two."""
        if len(mean) < 2:
            raise ValueError(f"a covariance needs a batch of at least 2 pictures, got {len(mean)}")
        with torch.autocast(mean.device.type, enabled=False):  # a penalty of differences from 1 needs float32
            batch = covariance(mean)
        if self.kind == "II":
            batch = batch + torch.diag(average(torch.exp(logvar).mean(0)))
        # the first batches are averaged evenly, so that the identity it starts from leaves no trace
        share = torch.clamp(1 / (self.batches + 1), min=1 - self.memory)
        running = torch.lerp(self.running, batch.detach(), share)
        if self.training:
            self.running.copy_(running)
            self.batches += 1
        return running + batch - batch.detach()

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus eq. 5 in nats a picture, for pictures [n, C, H, W]."""
        bound = self.autoencoder.bound(batch)
        loss, logs = bound.weighed(1.0)
        penalty = identity_distance(self.inferred_covariance(bound.mean, bound.logvar), self.lambda_od, self.lambda_d)
        return loss + penalty, logs | {"penalty": penalty}
