"""Attribute transfer from non-parallel sentences (Melnyk et al. 2017, "Improved Neural Text Attribute Transfer ...").

    H = E(x, s)                     an encoder's states, a word each           x of attribute value s
    p_G(. | H, s')                  a decoder that attends to H and says x with the value s'
    x' ~ p_G(. | E(x, s), s'),  x'' ~ p_G(. | E(x', s'), s)         transferred, s' != s, and back; soft words
    p_C(s | x)                      a collaborative classifier

    L_rec        -log p_G(x | E(x, s), s)                                        (eq. 1)
    L_cnt_rec    -sum over nouns x_r of log p_G(x'_r' = x_r | E(x, s), s')       (eq. 2)
    L_class_td   -log p_C(s' | x')                                               (eq. 3)
    L_class_od   -log p_C(s | x)                                                 (eq. 4)
    L_back_rec   -log p_G(x | E(x', s'), s)                                      (eq. 5)
    L_class_btd  -log p_C(s | x'')                                               (eq. 6)

    minimise over E, G and C together     a weighted sum of the six                (eq. 7, algorithm 1)

log p_G in nats a word (a noun), log p_C a sentence. r' is the word of x' that attends most to x_r: what the paper calls a
pair established by attention. Eq. 2 as printed conditions x' on s_i, the value that x has; we take s_j. Words of x'' are
drawn behind those of x, whose likelihood is L_back_rec, so that it needs no loop over words. Attention reads the decoder's
state and feeds the output, not the recurrence. The weights are not published. Where the classifier learns from generated
sentences too, the two may agree on a sign that is no word of any real sentence of the class, such as never to end; so unless
told otherwise it learns from real ones alone.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Share, Size
from representations.model import Logs, Objective, Representation
from representations.parts.ramp import Ramp
from representations.parts.sentences import (
    BEGIN,
    PADDING,
    Classes,
    Labelled,
    NgramFilters,
    Sentences,
    Values,
    begun,
    check_sentences,
    gumbel_softmax,
    mean_nll,
    spoken,
)

WIDTHS = (1, 2, 3, 4, 5)  # of the classifier's filters


class Tagged(Labelled):
    """Sentences, the values of their attribute, and which of their words are nouns."""

    nouns: Bool[Tensor, "n positions"]


class Memory(NamedTuple):
    """What a decoder attends to: states [n, T, hidden], their keys [n, T, hidden], and which of them count [n, T]."""

    states: Tensor
    keys: Tensor
    mask: Tensor

    @property
    def last(self) -> Tensor:
        """The state [n, hidden] behind the last word."""
        place = self.mask.sum(1).clamp(min=1) - 1
        return self.states[torch.arange(len(place), device=place.device), place]


class Said(NamedTuple):
    """A sentence as the decoder said it, and how.

    Its words [n, T], the likeliest where they are soft, embedded [n, T, embedding], the mask [n, T] of those that count,
    log p [n, T, words] of every word in its place, and attention [n, T, S] of its words to those of its source.
    """

    words: Tensor
    embedded: Tensor
    mask: Tensor
    log_p: Tensor
    attention: Tensor


class Classifier(nn.Module):
    """p_C: embedded words [n, T, embedding], of which those in a mask [n, T] count -> logits [n, classes]."""

    def __init__(self, embedding: int, filters: int, classes: int):
        super().__init__()
        self.features = NgramFilters(embedding, WIDTHS, filters)
        self.classify = nn.Linear(len(WIDTHS) * filters, classes)

    def forward(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """The logits of the classes, float32."""
        return self.classify(self.features(embedded, mask)).float()


class AttributeTransfer(Representation):
    """Transfer of one attribute of `classes` values, in sentences over `words` ids of up to `length`, ends counted.

    A batch is a dict of sentences `x` [n, T], their values `y` [n], and the mask `nouns` [n, T] of the words that are to be
    kept. The losses' weights stand behind `weigh_`; L_rec and L_class_od count from the first step, the others, which need
    generated words, rise to their weights over the second half of `warmup` steps. `collaboration` is the share of L_class_td
    and L_class_btd that the classifier learns from (1 in the paper). `temperature` is that of soft words; the classifier has
    `filters` of each width from 1 to 5.
    """

    silent: Tensor

    def __init__(
        self,
        words: Size = 1000,
        length: Size = 20,
        classes: Classes = 2,
        embedding: Size = 64,
        hidden: Size = 128,
        filters: Size = 32,
        weigh_rec: NonNegative = 1.0,
        weigh_cnt_rec: NonNegative = 1.0,
        weigh_back_rec: NonNegative = 1.0,
        weigh_class_od: NonNegative = 1.0,
        weigh_class_td: NonNegative = 1.0,
        weigh_class_btd: NonNegative = 1.0,
        collaboration: Share = 0.0,
        temperature: Positive = 0.5,
        warmup: Natural = 300,
        learning_rate: Positive = 2e-3,
    ):
        super().__init__()
        self.words, self.length, self.classes, self.code_size = words, length, classes, hidden
        self.weights = {"rec": weigh_rec, "cnt_rec": weigh_cnt_rec, "back_rec": weigh_back_rec}
        self.weights |= {"class_od": weigh_class_od, "class_td": weigh_class_td, "class_btd": weigh_class_btd}
        self.collaboration, self.temperature, self.learning_rate = collaboration, temperature, learning_rate
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.encoder = nn.GRU(embedding + classes, hidden, batch_first=True)
        self.decoder = nn.GRU(embedding + classes, hidden, batch_first=True)
        self.start = nn.Linear(hidden + classes, hidden)
        self.key, self.query = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.speak = nn.Sequential(nn.Linear(2 * hidden, embedding), nn.Tanh(), nn.Linear(embedding, words))
        self.classifier = Classifier(embedding, filters, classes)
        self.ramp = Ramp(-1.0, 1.0, warmup)
        silent = torch.zeros(words)
        silent[[PADDING, BEGIN]] = -1e9  # what no sentence says
        self.register_buffer("silent", silent, persistent=False)

    def encode(self, ids: Sentences) -> Tensor:
        """The encoder's last states [n, hidden] of sentences [n, T], whose attribute is what the classifier says."""
        check_sentences(ids, self.words)
        return self.attend(self.embedding(ids), ids != PADDING, self.attribute(ids)).last

    def transfer(self, ids: Sentences, y_target: Values) -> Tensor:
        """Sentences [n, length] that say what ids [n, T] say, with the values `y_target` [n]: the likeliest words.

        The values they have are what the classifier says.
        """
        check_sentences(ids, self.words)
        with torch.no_grad():
            memory = self.attend(self.embedding(ids), ids != PADDING, self.attribute(ids))
            said = self.say(memory, y_target, self.length)
        return said.words.where(said.mask, PADDING)

    def attribute(self, ids: Sentences) -> Tensor:
        """The classifier's guess of the attribute's values [n] of sentences [n, T]."""
        return self.classifier(self.embedding(ids), ids != PADDING).argmax(-1)

    def attend(self, embedded: Tensor, mask: Tensor, values: Tensor) -> Memory:
        """E(x, s) of embedded words [n, T, embedding], of which those in `mask` [n, T] count, with values [n]."""
        states, _ = self.encoder(self._told(embedded * mask[..., None], values))
        return Memory(states, self.key(states), mask)

    def teach(self, memory: Memory, values: Tensor, ids: Tensor) -> Tensor:
        """The decoder's logits [n, T, words] of sentences [n, T], told their words one by one; its recurrence runs fused."""
        states, _ = self.decoder(self._told(self.embedding(begun(ids)), values), self._first(memory, values))
        return self._speak(states, memory)[0]

    def say(self, memory: Memory, values: Tensor, length: int, temperature: float | None = None) -> Said:
        """`length` words with values [n], each the likeliest behind those before, or with a temperature a soft draw."""
        n, state = len(values), self._first(memory, values)
        embedded = self.embedding.weight[BEGIN].expand(n, -1)
        words, inputs, logs, attentions = [], [], [], []
        for _ in range(length):
            states, state = self.decoder(self._told(embedded[:, None], values), state)
            logits, attention = self._speak(states, memory)
            logs.append(torch.log_softmax(logits[:, 0], -1))
            attentions.append(attention[:, 0])
            if temperature is None:
                words.append(logs[-1].argmax(-1))
                inputs.append(self.embedding(words[-1]))
            else:
                word, drawn = self._draw(logs[-1], temperature)
                words.append(word)
                inputs.append(drawn)
            embedded = inputs[-1].detach()
        said = torch.stack(words, 1)
        return Said(said, torch.stack(inputs, 1), spoken(said), torch.stack(logs, 1), torch.stack(attentions, 1))

    def loss(self, batch: Tagged) -> tuple[Tensor, Logs]:
        """The weighted sum of the six losses."""
        ids, values = batch["x"], batch["y"]
        embedded, known = self.embedding(ids), ids != PADDING
        memory, logits = self.attend(embedded, known, values), self.classifier(embedded, known)
        terms = {
            "rec": mean_nll(self.teach(memory, values, ids), ids),
            "class_od": functional.cross_entropy(logits, values),
        }
        share = self.ramp.now().clamp(min=0)
        if share > 0:
            others = (values + torch.randint_like(values, 1, self.classes)) % self.classes
            said = self.say(memory, others, ids.shape[1], self.temperature)
            back = self.teach(self.attend(said.embedded, said.mask, others), values, ids)
            _, returned = self._draw(back, self.temperature)
            terms |= {
                "cnt_rec": self.content(said, ids, batch["nouns"]),
                "class_td": self.judged(said.embedded, said.mask, others),
                "back_rec": mean_nll(back, ids),
                "class_btd": self.judged(returned, known, values),
            }
        real = {"rec", "class_od"}
        loss = torch.stack([self.weights[k] * term * (1 if k in real else share) for k, term in terms.items()]).sum()
        return loss, terms | {"accuracy": (logits.argmax(-1) == values).float().mean()}

    def objectives(self) -> tuple[Objective, ...]:
        """One player, as in algorithm 1: encoder, decoder and classifier, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        return (Objective("transfer", self.loss, tuple(self.parameters()), adam, after=self.ramp.advance),)

    def content(self, said: Said, ids: Tensor, nouns: Tensor) -> Tensor:
        """L_cnt_rec, nats a noun: -log p of every noun of ids [n, S] where the word stands that attends to it most."""
        log_p = said.log_p.gather(2, ids[:, None].expand(-1, said.log_p.shape[1], -1))
        place = (said.attention * said.mask[..., None]).argmax(1, keepdim=True)
        return -(log_p.gather(1, place)[:, 0] * nouns).sum() / nouns.sum().clamp(min=1)

    def judged(self, embedded: Tensor, mask: Tensor, values: Tensor) -> Tensor:
        """-log p_C of values [n] for generated words: their gradient reaches the classifier by `collaboration` only."""
        weights = {
            name: torch.lerp(p.detach(), p, self.collaboration) for name, p in self.classifier.named_parameters()
        }
        return functional.cross_entropy(functional_call(self.classifier, weights, (embedded, mask)), values)

    def _draw(self, logits: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
        """Words [...] drawn by logits [..., words], and their embeddings [..., embedding] with the gradient of soft ones."""
        soft, weight = gumbel_softmax(logits, temperature), self.embedding.weight.detach()
        words, blend = soft.argmax(-1), soft.to(weight.dtype) @ weight
        return words, blend + (weight[words] - blend).detach()

    def _speak(self, states: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Logits [n, T, words] of what follows states [n, T, hidden], and attention [n, T, S] (Bahdanau et al. 2015)."""
        scores = self.score(torch.tanh(self.query(states)[:, :, None] + memory.keys[:, None]))[..., 0]
        attention = torch.softmax(scores.masked_fill(~memory.mask[:, None], float("-inf")).float(), -1)
        context = attention.to(states.dtype) @ memory.states
        logits = self.speak(torch.cat([states, context], -1)).float()
        return logits + self.silent, attention

    def _first(self, memory: Memory, values: Tensor) -> Tensor:
        """The decoder's first state [1, n, hidden]."""
        return torch.tanh(self.start(torch.cat([memory.last, self._one_hot(values)], -1)))[None]

    def _told(self, embedded: Tensor, values: Tensor) -> Tensor:
        """Embedded words [n, T, embedding] beside the attribute's values [n]: [n, T, embedding + classes]."""
        return torch.cat([embedded, self._one_hot(values)[:, None].expand(-1, embedded.shape[1], -1)], -1)

    def _one_hot(self, values: Tensor) -> Tensor:
        return functional.one_hot(values, self.classes).to(self.start.weight.dtype)
