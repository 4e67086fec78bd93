"""A rotation between a code and the networks that write and read it.

A network that has to turn a whole code moves all of its weights, encoder and decoder in step; here one matrix turns both.
What an autoencoder can say is the same: R could be a part of its last layer and of its first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Turn(nn.Module):
    """A rotation R of codes [n, d] that is learned: R = (1 - S)^-1 (1 + S) with S = A - A^T (Cayley 1846), first 1.

    Every A gives a rotation; those that turn a plane by half a circle are its limits.
    """

    def __init__(self, code_size: int):
        super().__init__()
        self.free = nn.Parameter(torch.zeros(code_size, code_size))

    def matrix(self) -> Tensor:
        """R [d, d], in float32 whatever the networks compute in."""
        with torch.autocast(self.free.device.type, enabled=False):
            skew, one = self.free - self.free.T, torch.eye(len(self.free), device=self.free.device)
            return torch.linalg.solve_ex(one - skew, one + skew).result  # 1 - S always has an inverse: nothing to check

    def forward(self, values: Tensor) -> Tensor:
        """Codes [n, d] of what an encoder says, h [n, d]: R h."""
        return self._times(values, self.matrix().T)

    def back(self, code: Tensor) -> Tensor:
        """What a decoder is told, [n, d], of codes [n, d]: R^T z."""
        return self._times(code, self.matrix())

    def _times(self, rows: Tensor, matrix: Tensor) -> Tensor:
        with torch.autocast(rows.device.type, enabled=False):
            return rows.float() @ matrix
