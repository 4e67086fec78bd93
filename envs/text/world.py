"""What worlds of sentences have beside factors: a vocabulary, and a way back from a sentence to what it tells."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from envs.text.vocabulary import Vocabulary
from envs.world import World


class TextWorld(World):
    """A world whose `render` gives ids int64 [n, T] of a `vocabulary`, and whose sentences can be read back.

    A sentence need not tell every factor of its row.
    """

    vocabulary: Vocabulary

    @abstractmethod
    def told(self, factors: Tensor) -> Tensor:
        """Which factors the sentences of rows [n, K] tell: bool [n, K]."""

    @abstractmethod
    def parse(self, ids: Tensor) -> Tensor:
        """The factors of sentences [n, T]: float32 [n, K], NaN for what one does not tell; a row of NaN is no sentence."""
