"""The plain autoencoder of sentences, with a decoder for each attribute value (the baseline AE of Zhao et al. 2017).

    minimise over encoder and decoders      -log p_y(x | enc(x))       in nats a word                 (section 2, L_rec)

Nothing keeps the attribute out of the code, so that a decoder of another value may say what it finds there. It is arae
without its adversaries, setting for setting.
"""

from __future__ import annotations

from torch import Tensor

from borders import NonNegative, Positive, Share, Size
from representations.model import Logs, Objective
from representations.parts.players import sole_player
from representations.parts.sentence_autoencoder import SentenceAutoencoder
from representations.parts.sentences import Classes, Labelled


class TextAE(SentenceAutoencoder):
    """Sentences over `words` ids of up to `length`, ends counted; a batch is a dict of `x` [n, T] and values `y` [n].

    `noise` is the spread of each number of a code in training, which falls by the factor `anneal` every 100 steps.
    """

    def __init__(
        self,
        words: Size = 1000,
        length: Size = 20,
        classes: Classes = 2,
        code_size: Size = 128,
        embedding: Size = 64,
        noise: NonNegative = 0.02,
        anneal: Share = 0.9995,
        learning_rate: Positive = 4e-3,
    ):
        super().__init__(words, length, classes, code_size, embedding, noise, anneal)
        self.learning_rate = learning_rate

    def loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """L_rec, in nats a word."""
        nll = self.reconstruction(batch)
        return nll, {"nll": nll}

    def objectives(self) -> tuple[Objective, ...]:
        """One player, by Adam."""
        return sole_player(self, "autoencoder", after=self.count)
