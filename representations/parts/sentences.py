"""What learners of sentences share: ids, soft words, and filters over n-grams.

A sentence is a row of ids: words, then the end, then padding. Where a generator must be differentiable it is soft: a
distribution over words [n, T, words] and a mask [n, T] of what lies before or at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

import torch
from annotated_types import Interval
from jaxtyping import Integer
from torch import Tensor, nn
from torch.nn import functional

from borders.words import BEGIN, END, PADDING
from representations.parts.together import uniform_like

Sentences = Integer[Tensor, "n positions"]
Values = Integer[Tensor, " n"]  # of an attribute
Classes = Annotated[int, Interval(ge=2, le=2**14)]  # how many values it has


class Labelled(TypedDict):
    """Sentences, and the values of their attribute."""

    x: Sentences
    y: Values


def check_sentences(ids: Tensor, words: int) -> None:
    """Raise ValueError unless every row of ids [n, T] has a word or an end first, and all are in 0 .. words - 1."""
    if ids.ndim != 2:
        raise ValueError(f"ids must be sentences [n, T], got the shape {tuple(ids.shape)}")
    if ids.numel() and not (ids.min() >= 0 and ids.max() < words):
        raise ValueError(f"ids must lie in 0 .. {words - 1}, got {ids.min().item()} .. {ids.max().item()}")
    if not ids.shape[1] or (ids[:, 0] == PADDING).any():
        raise ValueError("ids must hold a word or an end in every row, and one has padding only")


def begun(ids: Tensor) -> Tensor:
    """What a decoder reads to say sentences [n, T]: the begin, then all words but the last."""
    return functional.pad(ids[:, :-1], (1, 0), value=BEGIN)


def trimmed(ids: Tensor) -> Tensor:
    """Sentences [n, T], n > 0, without the columns that are padding in all."""
    return ids[:, : int((ids != PADDING).sum(1).max())]


def last_states(states: Tensor, ids: Tensor) -> Tensor:
    """The states [n, size] behind the last word of sentences [n, T], of states [n, T, size] behind every word."""
    return states[torch.arange(len(ids), device=ids.device), (ids != PADDING).sum(1) - 1]


def opened(lstm: nn.LSTM) -> nn.LSTM:
    """The LSTM with a bias of 1 on its forget gates, as Jozefowicz et al. 2015 advise."""
    with torch.no_grad():
        lstm.get_parameter("bias_ih_l0")[lstm.hidden_size : 2 * lstm.hidden_size] = 1.0  # input, forget, cell, output
    return lstm


def mean_nll(logits: Tensor, ids: Tensor) -> Tensor:
    """-log p of sentences [n, T] in nats a word, ends counted, by logits [n, T, words]: []."""
    return functional.cross_entropy(logits.float().flatten(0, 1), ids.flatten(), ignore_index=PADDING)


def gumbel_softmax(logits: Tensor, temperature: float) -> Tensor:
    """Soft draws of words, logits [..., words] -> [..., words] (Jang et al. 2017, eq. 2; Maddison et al. 2017)."""
    noise = -torch.log(-torch.log(uniform_like(logits).clamp(1e-10, 1 - 1e-7)))
    return torch.softmax((logits.float() + noise) / temperature, -1)


def spoken(words: Tensor) -> Tensor:
    """The mask [n, T] of words [n, T] up to their first end, with it; all are where there is none."""
    ended = words == END
    return ended.cumsum(1) - ended.long() == 0


def likeliest(step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: Any, begins: Tensor, length: int) -> Tensor:
    """Sentences [n, length], each word the likeliest behind those before it, up to the end.

    `step(words, state)` gives logits [n, words] of what follows words [n], and the state behind them; `begins` [n] come first.
    """
    word, said = begins, []
    over = torch.zeros_like(begins, dtype=torch.bool)
    for _ in range(length):
        logits, state = step(word, state)
        logits[:, [PADDING, BEGIN]] = float("-inf")
        word = logits.argmax(-1)
        said.append(word.where(~over, PADDING))
        over = over | (word == END)
        if over.all():
            break
    return functional.pad(torch.stack(said, 1), (0, length - len(said)), value=PADDING)


class NgramFilters(nn.Module):
    """Embedded sentences [n, T, size] -> [n, len(widths) filters]: each filter's greatest response over a sentence, ReLU.

    As in Kim 2014: `filters` of every width in `widths`, over windows of so many words, and zeros behind the last.
    """

    def __init__(self, size: int, widths: Sequence[int], filters: int):
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(size, filters, width) for width in widths)
        self.widths = tuple(widths)

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """The features of embedded sentences [n, T, size], of which those words count that `mask` [n, T] has."""
        channels = (embedded * mask[..., None]).transpose(1, 2)
        found = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            response = convolution(functional.pad(channels, (0, width - 1)))
            found.append(torch.relu(response.masked_fill(~mask[:, None], float("-inf")).amax(2)))
        return torch.cat(found, 1)
