"""The autoencoder of sentences that text_ae and arae have in common (Zhao et al. 2017, sections 2 and 4).

    c = h / |h|,  h = max_t LSTM(x_1 .. x_t)       the code, on the unit sphere: what is greatest of each unit of an LSTM
    s_t = LSTM_y(x_t-1, c)                         a decoder for each attribute value y, which reads c with every word
    p_y(x | c) = prod_t softmax(O (s_t, c))_x_t    what it says

The decoders share their output layer O. In training they read c + noise, Gaussian, whose spread falls by `anneal` every 100
steps: settings of the published program, which the paper does not print. It takes the LSTM's last state for h, and its O reads
s_t alone. The maximum, which hears every word directly, an O that reads c beside s_t, so that a word in c is told to it and not
to its gates, and decoders that read sqrt(d) c, numbers of size 1, are ours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from representations.model import Codes, Representation
from representations.parts.sentences import (
    BEGIN,
    PADDING,
    Labelled,
    Sentences,
    Values,
    begun,
    check_sentences,
    likeliest,
    mean_nll,
    opened,
    trimmed,
)
from representations.parts.together import normal_like

State = tuple[Tensor, Tensor]


class SentenceAutoencoder(Representation):
    """Codes of sentences over `words` ids of up to `length`, ends counted, and a decoder for each of `classes` values.

    Encoder and decoders have `code_size` units, embeddings `embedding`.
    """

    moves: Tensor

    def __init__(
        self, words: int, length: int, classes: int, code_size: int, embedding: int, noise: float, anneal: float
    ):
        super().__init__()
        self.words, self.length, self.classes, self.code_size = words, length, classes, code_size
        self.noise, self.anneal = noise, anneal
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.encoder = opened(nn.LSTM(embedding, code_size, batch_first=True))
        self.decoders = nn.ModuleList(_Decoder(words, embedding, code_size) for _ in range(classes))
        self.output = nn.Linear(2 * code_size, words)
        self.register_buffer("moves", torch.zeros((), dtype=torch.int64))  # of the autoencoder

    def encode(self, ids: Sentences) -> Tensor:
        """The codes [n, code_size], of length 1, of sentences [n, T]."""
        check_sentences(ids, self.words)
        if not len(ids):
            return self.output.weight.new_zeros(0, self.code_size)
        ids = trimmed(ids)
        states, _ = self.encoder(self.embedding(ids))
        heard = states.masked_fill((ids == PADDING)[..., None], -1.0).amax(1)  # states lie in (-1, 1)
        return functional.normalize(heard.float(), dim=-1)

    def decode(self, code: Codes, y: Values | None = None) -> Tensor:
        """The sentences [n, length] of codes [n, code_size] by the decoders of values [n]: the likeliest words.

        Where no values are given, by the decoder of value 0.
        """
        y = torch.zeros(len(code), dtype=torch.int64, device=code.device) if y is None else y
        said = torch.full((len(code), self.length), PADDING, device=code.device)
        with torch.no_grad():
            for value in y.unique().tolist():
                rows = y == value
                said[rows] = self._say(code[rows], value)
        return said

    def transfer(self, ids: Sentences, y_target: Values) -> Tensor:
        """Sentences [n, length] that say what ids [n, T] say, by the decoders of values `y_target` [n]."""
        with torch.no_grad():
            return self.decode(self.encode(ids), y_target)

    def nll(self, code: Codes, batch: Labelled) -> Tensor:
        """-log p_y(x | c) of a batch, in nats a word, ends counted, words told one by one; the recurrences run fused: []."""
        ids, y = trimmed(batch["x"]), batch["y"]
        order = y.argsort(stable=True)
        counts = y.bincount(minlength=self.classes).tolist()
        ids, code = ids[order], code[order]
        parts = zip(self.decoders, ids.split(counts), code.split(counts), strict=True)
        states = torch.cat([decoder(told, those) for decoder, those, told in parts if len(those)])
        known = ids != PADDING
        return mean_nll(self.output(states[known])[None], ids[known][None])

    def reconstruction(self, batch: Labelled) -> Tensor:
        """-log p_y(x | c + noise), in nats a word: []."""
        code = self.encode(batch["x"])
        spread = self.noise * self.anneal ** (self.moves / 100)
        return self.nll(code + spread * normal_like(code), batch)

    def count(self) -> None:
        """One move of the autoencoder more."""
        self.moves += 1

    def _say(self, code: Tensor, value: int) -> Tensor:
        decoder = self.decoders[value]
        assert isinstance(decoder, _Decoder)

        def step(words: Tensor, state: State | None) -> tuple[Tensor, State]:
            states, state = decoder.run(code, words[:, None], state)
            return self.output(states[:, 0]), state

        return likeliest(step, None, torch.full((len(code),), BEGIN, device=code.device), self.length)


class _Decoder(nn.Module):
    """The states of one value's decoder, the first of them zero, and the code beside each."""

    def __init__(self, words: int, embedding: int, code_size: int):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.recurrent = opened(nn.LSTM(embedding + code_size, code_size, batch_first=True))

    def forward(self, code: Tensor, ids: Tensor) -> Tensor:
        """The states [n, T, 2 code_size] that say sentences [n, T] of codes [n, code_size], these codes beside them."""
        return self.run(code, begun(ids), None)[0]

    def run(self, code: Tensor, words: Tensor, state: State | None) -> tuple[Tensor, State]:
        """The states [n, T, 2 code_size] behind words [n, T], codes beside them, and the last with its cell."""
        code = (math.sqrt(code.shape[1]) * code)[:, None].expand(-1, words.shape[1], -1)
        states, last = self.recurrent(torch.cat([self.embedding(words), code], -1), state)
        return torch.cat([states, code], -1), last
