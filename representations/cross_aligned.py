"""Cross-aligned autoencoder (Shen, Lei, Barzilay & Jaakkola 2017, "Style Transfer from Non-Parallel Text by Cross-Alignment").

    z = E(x, y)                         a GRU whose first state is told the style y
    p_G(x | y, z)                       a GRU whose first state is (y, z)
    h, h'                               its states while it is told x of its own style, and while it says another's, softly

    L_rec    -log p_G(x | y, E(x, y))                                                              (eq. 7)
    L_adv_y  -log D_y(h of x in style y) - log(1 - D_y(h' of another's x, said in style y))        (eq. 9, 10)

    minimise over D_0, D_1    L_adv_0 + L_adv_1
    minimise over E and G     L_rec + weight sum_y -log D_y(h')

What is printed as - lambda L_adv is, as in the authors' released code, the loss that has a gradient where D is certain; and E
and G heed it only while both discriminators' losses are below 1.2, else it would teach what is not learned yet.

Two things are ours, each because without it a short training undid what the generator had learned: in the first half of
`warmup` steps E and G learn L_rec alone and D nothing, and `weight` rises from 0 over the second half; and the gradient of D
goes into the states but not on through the soft words (`through`).
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Size
from representations.model import Logs, Objective, Representation
from representations.parts.ramp import Ramp
from representations.parts.sentences import (
    BEGIN,
    PADDING,
    Labelled,
    NgramFilters,
    Sentences,
    Values,
    begun,
    check_sentences,
    gumbel_softmax,
    last_states,
    mean_nll,
    spoken,
)

WIDTHS = (1, 2, 3, 4, 5)
LEARNED = 1.2  # nats: a discriminator whose loss is higher has nothing to teach


class CrossAligned(Representation):
    """Transfer between two styles, of sentences over `words` ids of up to `length`, ends counted; batches are dicts of x, y.

    `code_size` numbers of content and `style_size` of style are the GRUs' state; `filters` of each width from 1 to 5 read the
    states of a sentence. The paper has 500, 200 and 128; `weight` is lambda, 1 there, `temperature` that of soft words.
    """

    def __init__(
        self,
        words: Size = 1000,
        length: Size = 20,
        code_size: Size = 128,
        style_size: Size = 32,
        embedding: Size = 64,
        filters: Size = 32,
        weight: NonNegative = 0.3,
        temperature: Positive = 0.1,
        warmup: Natural = 400,
        through: bool = False,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        self.words, self.length, self.code_size, self.style_size = words, length, code_size, style_size
        self.weight, self.temperature, self.learning_rate = weight, temperature, learning_rate
        self.through, self.ramp = through, Ramp(-1.0, 1.0, warmup)
        hidden = code_size + style_size
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.source, self.style = nn.Embedding(2, style_size), nn.Embedding(2, style_size)
        self.encoder = nn.GRU(embedding, hidden, batch_first=True)
        self.generator = nn.GRU(embedding, hidden, batch_first=True)
        self.speak = nn.Linear(hidden, words)
        self.judges = nn.ModuleList(Judge(hidden, filters) for _ in range(2))

    def encode(self, ids: Sentences) -> Tensor:
        """The codes z [n, code_size] of sentences [n, T] whose style is not known: the mean over both."""
        check_sentences(ids, self.words)
        return torch.stack([self.content(ids, torch.full((len(ids),), y, device=ids.device)) for y in (0, 1)]).mean(0)

    def content(self, ids: Sentences, styles: Values) -> Tensor:
        """E(x, y): the codes [n, code_size] of sentences [n, T] of styles [n]."""
        first = functional.pad(self.source(styles), (0, self.code_size))
        states, _ = self.encoder(self.embedding(ids), first[None])
        return last_states(states, ids)[:, self.style_size :]

    def transfer(self, ids: Sentences, y_target: Values) -> Tensor:
        """Sentences [n, length] with the content of ids [n, T], taken to be of the other style, in style `y_target` [n]."""
        check_sentences(ids, self.words)
        with torch.no_grad():
            words, _, _ = self.say(self.content(ids, 1 - y_target), y_target, self.length)
        return words.where(spoken(words), PADDING)

    def teach(self, code: Tensor, styles: Tensor, ids: Tensor) -> Tensor:
        """The generator's states [n, T, hidden] while it is told the words of ids [n, T]."""
        states, _ = self.generator(self.embedding(begun(ids)), self._first(code, styles))
        return states

    def say(
        self, code: Tensor, styles: Tensor, length: int, temperature: float | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """`length` words [n, length] in styles [n], the states [n, length, hidden], and their mask up to the end.

        Each word is the likeliest behind those before; with a temperature the generator is told soft draws.
        """
        state, embedded = self._first(code, styles), self.embedding.weight[BEGIN].expand(len(code), -1)
        words, states = [], []
        silent = torch.zeros(self.words, device=code.device)
        silent[[PADDING, BEGIN]] = float("-inf")
        for _ in range(length):
            states_, state = self.generator(embedded[:, None], state)
            states.append(states_[:, 0])
            logits = self.speak(states[-1]).float() + silent
            if temperature is None:
                words.append(logits.argmax(-1))
                embedded = self.embedding(words[-1])
            else:
                soft = gumbel_softmax(logits, temperature)
                words.append(soft.argmax(-1))
                embedded = soft.to(state.dtype) @ self.embedding.weight
                embedded = embedded if self.through else embedded.detach()
        said = torch.stack(words, 1)
        return said, torch.stack(states, 1), spoken(said)

    def loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """What encoder and generator minimise: L_rec, nats a word, and what the discriminators tell from the real."""
        ids, styles = batch["x"], batch["y"]
        code = self.content(ids, styles)
        states = self.teach(code, styles, ids)
        rec = mean_nll(self.speak(states), ids)
        share = self.ramp.now()
        if share < 0:
            return rec, {"rec": rec}
        _, other, mask = self.say(code, 1 - styles, ids.shape[1], self.temperature)
        adversary, judged = self._judge(states.detach(), ids != PADDING, styles, other, mask)
        heeded = (torch.stack(adversary) < LEARNED).all()
        fooled = -functional.logsigmoid(judged).mean() if len(judged) else rec.new_zeros(())
        return rec + self.weight * share * heeded * fooled, {
            "rec": rec,
            "adv": fooled,
            "heeded": heeded.float(),
        }

    def judge_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """What the two discriminators minimise, nats a sentence; nothing while they are not heard."""
        if self.ramp.now() < 0:
            return 0 * torch.stack([weight.sum() for weight in self.judges.parameters()]).sum(), {}
        ids, styles = batch["x"], batch["y"]
        with torch.no_grad():
            code = self.content(ids, styles)
            states = self.teach(code, styles, ids)
            _, other, mask = self.say(code, 1 - styles, ids.shape[1], self.temperature)
        first, second = self._judge(states, ids != PADDING, styles, other, mask)[0]
        return first + second, {"of_0": first, "of_1": second}

    def objectives(self) -> tuple[Objective, ...]:
        """The discriminators, then encoder and generator; each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=(0.5, 0.999))
        judges = tuple(self.judges.parameters())
        of_judges = {id(parameter) for parameter in judges}
        rest = tuple(parameter for parameter in self.parameters() if id(parameter) not in of_judges)
        return (
            Objective("judges", self.judge_loss, judges, adam),
            Objective("autoencoder", self.loss, rest, adam, after=self.ramp.advance),
        )

    def _judge(
        self, states: Tensor, known: Tensor, styles: Tensor, other: Tensor, mask: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Both discriminators' losses, and the logits of what was said, of one after the other: each knows its own style."""
        losses, judged = [], []
        for style, judge in enumerate(self.judges):
            own, said = styles == style, styles != style
            real, fake = judge(states[own], known[own]), judge(other[said], mask[said])
            parts = [functional.softplus(-real), functional.softplus(fake)]
            losses.append(sum((part.mean() for part in parts if len(part)), states.new_zeros(())))
            judged.append(fake)
        return losses, torch.cat(judged)

    def _first(self, code: Tensor, styles: Tensor) -> Tensor:
        """The generator's first state [1, n, hidden]."""
        return torch.cat([self.style(styles), code], 1)[None]


class Judge(nn.Module):
    """States [n, T, hidden] of a sentence -> the logit [n] that it was told its words, by filters over its states."""

    def __init__(self, hidden: int, filters: int):
        super().__init__()
        self.features = NgramFilters(hidden, WIDTHS, filters)
        self.real = nn.Linear(len(WIDTHS) * filters, 1)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """The logits of states, of which those count that `mask` [n, T] has."""
        return self.real(self.features(states, mask)).squeeze(-1).float()
