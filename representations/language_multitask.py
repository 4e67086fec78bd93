"""Natural language multitasking (Brunner, Wang, Wattenhofer & Weigelt 2018, arXiv:1801.06024).

    h = LSTM(x_1 .. x_T)              characters of an English sentence, the state behind the last              (section 3.1)
    z = W h + b                       the representation layer
    p_k(y | z) = prod_t p_k(y_t | y_<t, z)       decoder k, an LSTM whose first state is a linear map of z      (figure 1)

    minimise  sum_k -log p_k(y_k | z)  in nats a symbol, over the encoder and all decoders

Decoders (section 3.2): R says the English sentence again, D and F say it in German and French, character by character, and
P says the part of speech of every word. Teacher forcing: every decoder reads what it should have said. The weights of the
tasks are unpublished, here they are equal; forget gates start open, at a bias of 1. Ours too is `backwards`: the encoder
reads from a sentence's end to its beginning, as Sutskever et al. 2014, whose network this one extends, and learns sooner;
and `fed`: decoders read a linear map of z with every symbol, as Cho et al. 2014, and learn far sooner. Gradients are made no
longer than `longest`, as Sutskever et al. 2014 do with 5.
"""

from __future__ import annotations

from typing import TypedDict

import torch
from jaxtyping import Integer
from torch import Tensor, nn

from borders import Positive, Size
from representations.model import Codes, Logs, Objective, Representation
from representations.parts.players import sole_player
from representations.parts.sentences import (
    BEGIN,
    PADDING,
    Sentences,
    begun,
    check_sentences,
    last_states,
    likeliest,
    mean_nll,
    opened,
    trimmed,
)

VIEWS = {"R": "en", "D": "de", "F": "fr", "P": "tags"}  # what each decoder says
PARTS = 4  # of a batch, by the length of their sentences: less is computed behind their ends


class _English(TypedDict):
    en: Sentences


class Aligned(_English, total=False):
    """English sentences, and what the other decoders say of each."""

    de: Integer[Tensor, "n german"]
    fr: Integer[Tensor, "n french"]
    tags: Integer[Tensor, "n said"]


class LanguageMultitask(Representation):
    """English sentences of ids below `words`; a batch is a dict of `en` and of what else `decoders` say: `de`, `fr`, `tags`.

    English, German and French share their `words` ids, parts of speech have `tags` ids of their own. `decoders` are letters
    of R, D, F, P, separated by commas. No sentence that is decoded is longer than `length` symbols, its end counted. Every
    LSTM has `hidden` units, and symbols are embedded in `embedding` numbers. With `backwards` the encoder reads from the end,
    with `fed` decoders read the code with every symbol. No gradient that is stepped by is longer than `longest`.
    """

    def __init__(
        self,
        words: Size = 128,
        length: Size = 128,
        tags: Size = 32,
        decoders: str = "R,D,P",
        code_size: Size = 256,
        hidden: Size = 512,
        embedding: Size = 64,
        backwards: bool = False,
        fed: bool = False,
        longest: Positive = 1.0,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        self.words, self.length, self.tags, self.code_size = words, length, tags, code_size
        self.backwards, self.longest, self.learning_rate = backwards, longest, learning_rate
        self.names = tuple(decoders.split(","))
        if len(set(self.names)) < len(self.names) or not set(self.names) <= VIEWS.keys():
            raise ValueError(
                f"decoders must be some of {', '.join(VIEWS)}, separated by commas, each once, got {decoders!r}"
            )
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.encoder = opened(nn.LSTM(embedding, hidden, batch_first=True))
        self.representation = nn.Linear(hidden, code_size)
        self.decoders = nn.ModuleDict(
            {name: Decoder(tags if name == "P" else words, code_size, hidden, embedding, fed) for name in self.names}
        )

    def encode(self, ids: Sentences) -> Tensor:
        """The codes z [n, code_size] of English sentences [n, T]."""
        check_sentences(ids, self.words)
        if not len(ids):
            return self.representation.weight.new_zeros(0, self.code_size)
        ids = trimmed(ids)
        if self.backwards:
            places = (ids != PADDING).sum(1, keepdim=True) - 2 - torch.arange(ids.shape[1], device=ids.device)
            ids = ids.gather(1, places.clamp(min=0)).where(places >= 0, ids)
        states, _ = self.encoder(self.embedding(ids))
        return self.representation(last_states(states, ids))

    def decode(self, code: Codes) -> Tensor:
        """What the first decoder says of codes [n, code_size]: ids [n, length]."""
        return self.say(code, self.names[0])

    def say(self, code: Codes, decoder: str) -> Tensor:
        """What a decoder says of codes [n, code_size], at each step the likeliest symbol: ids [n, length]."""
        if decoder not in self.names:
            raise ValueError(f"decoder must be one of {', '.join(self.names)}, got {decoder!r}")
        return self._decoder(decoder).say(code, self.length)

    def nll(self, batch: Aligned) -> dict[str, Tensor]:
        """-log p_k in nats a symbol, ends counted, by decoder; ValueError where the batch lacks what one says."""
        wanted = [VIEWS[name] for name in self.names]
        missing = [view for view in wanted if view not in batch]
        if missing:
            raise ValueError(f"a batch must hold en and {', '.join(wanted)}, it lacks {', '.join(missing)}")
        said = {name: batch[VIEWS[name]] for name in self.names}  # type: ignore[literal-required]
        symbols = {name: (ids != PADDING).sum() for name, ids in said.items()}
        told = {name: self.representation.weight.new_zeros(()) for name in self.names}
        for rows in (batch["en"] != PADDING).sum(1).argsort().chunk(PARTS):
            code = self.encode(batch["en"][rows])
            for name, ids in said.items():
                part = trimmed(ids[rows])
                told[name] = told[name] + self._decoder(name)(code, part) * (part != PADDING).sum() / symbols[name]
        return told

    def loss(self, batch: Aligned) -> tuple[Tensor, Logs]:
        """The sum over decoders, and each."""
        told = self.nll(batch)
        return torch.stack(list(told.values())).sum(), dict(told)

    def objectives(self) -> tuple[Objective, ...]:
        """One player, by Adam."""
        return sole_player(self, "tasks", longest=self.longest)

    def _decoder(self, name: str) -> Decoder:
        found = self.decoders[name]
        assert isinstance(found, Decoder)
        return found


class Decoder(nn.Module):
    """p(y | z) of sequences y over `symbols` ids; with `fed` z is read with every symbol, not in the first state alone."""

    def __init__(self, symbols: int, code_size: int, hidden: int, embedding: int, fed: bool):
        super().__init__()
        self.start = nn.Linear(code_size, 2 * hidden)
        self.fed = nn.Linear(code_size, hidden) if fed else None
        self.embedding = nn.Embedding(symbols, embedding, PADDING)
        self.recurrent = opened(nn.LSTM(embedding + (hidden if fed else 0), hidden, batch_first=True))
        self.output = nn.Linear(hidden, symbols)

    def forward(self, code: Tensor, ids: Tensor) -> Tensor:
        """-log p of sequences [n, T] in nats a symbol, ends counted."""
        check_sentences(ids, self.output.out_features)
        states, _ = self.recurrent(self._read(begun(ids), self._fed(code)), self.first(code))
        known = ids != PADDING
        return mean_nll(self.output(states[known])[None], ids[known][None])

    def first(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """The first state and cell [1, n, hidden]."""
        state, cell = self.start(code).chunk(2, -1)
        return state[None].contiguous(), cell[None].contiguous()

    def say(self, code: Tensor, length: int) -> Tensor:
        """The likeliest symbol behind those before it, up to the end: ids [n, length]."""
        fed = self._fed(code)

        def step(words: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
            states, state = self.recurrent(self._read(words[:, None], fed), state)
            return self.output(states[:, 0]), state

        return likeliest(step, self.first(code), torch.full((len(code),), BEGIN, device=code.device), length)

    def _fed(self, code: Tensor) -> Tensor:
        """What of codes [n, code_size] is read with every symbol: [n, 1, hidden], or [n, 1, 0]."""
        return (code[:, :0] if self.fed is None else self.fed(code))[:, None]

    def _read(self, ids: Tensor, fed: Tensor) -> Tensor:
        """What the LSTM reads of symbols [n, T] and of the code: [n, T, size]."""
        return torch.cat([self.embedding(ids), fed.expand(-1, ids.shape[1], -1)], -1)
