"""Learning independent causal mechanisms (Parascandolo, Rojas-Carulla, Kilbertus & Schoelkopf 2017, arXiv 1712.00961).

    x ~ P                         canonical pictures
    x' ~ Q, a mixture of M_j(P)   pictures that one of several unknown mechanisms changed; never a pair, never its number
    E_1 .. E_N                    experts: fully convolutional networks from pictures to pictures
    c_j(x') = D(E_j(x'))          the score of an expert's output: a discriminator's belief that it is canonical

    maximise over D               E_x log D(x) + E_x' 1/N sum_j log(1 - c_j(x'))                    (algorithm 1, line 5)
    maximise over the experts     E_x' max_j log c_j(x')                                     (equation 1; algorithm 1, line 6)

Only the expert that wins a picture learns from it, so that what it is best at becomes what it does: each comes to undo one
mechanism. Before the competition every expert learns for `identity` steps to leave transformed pictures as they are (line 1).

D moves first and the experts are scored anew after it. Batch statistics are those of the whole batch, whoever won it; an
expert that won nothing is not moved, its optimizer's averages included.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import torch
from annotated_types import MinLen
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, Positive, Shape, Size
from representations.model import FloatPictures, Logs, Objective, Representation, check_pictures, pixels
from representations.parts.ramp import Ramp

Widths = Annotated[tuple[Size, ...], MinLen(1)]
AnyPictures = Float[Tensor, "n channels height width"]


class CausalMechanisms(Representation):
    """`experts` that compete for pictures `shape` = (C, H, W), each side at least 2^len(widths).

    The code of a picture is the softmax of D's logits for the experts' outputs: which mechanism made it. A batch is a dict
    of pictures `x` [n, C, H, W] and labels `y` [n], of which only y = 0 is looked at: those pictures are canonical, the
    others transformed by nobody knows what.

    Every expert has five 3 x 3 convolutions of `filters`; D has blocks of `convolutions[b]` layers of `widths[b]`, each
    block pooled, and a layer of `hidden` units. `shown` is how many of a batch's transformed pictures, drawn anew for every
    expert, stand for the mean over all of them in D's move and in the identity steps (the paper has all; 0 stands for all).
    """

    def __init__(
        self,
        shape: Shape = (1, 32, 32),
        experts: Size = 10,
        filters: Size = 16,
        widths: Widths = (16, 32, 64),
        convolutions: Widths = (1, 1, 1),
        hidden: Size = 256,
        identity: Natural = 100,
        shown: Natural = 8,
        learning_rate: Positive = 1e-3,
        discriminator_rate: Positive = 1e-3,
    ):
        super().__init__()
        if len(widths) != len(convolutions) or min(shape[1:]) < 2 ** len(widths):
            raise ValueError(
                f"widths and convolutions must say the same blocks, each of which halves the sides of {shape}, "
                f"got {widths} and {convolutions}"
            )
        self.shape, self.code_size, self.shown = tuple(shape), experts, shown
        self.learning_rate, self.discriminator_rate = learning_rate, discriminator_rate
        self.experts = Experts(experts, shape[0], filters)
        self.discriminator = _discriminator(self.shape, widths, convolutions, hidden)
        self.begun = Ramp(0.0, 1.0, identity)

    def scores(self, pictures: FloatPictures) -> tuple[Tensor, Tensor]:
        """What every expert makes of float pictures [n, C, H, W], [n, experts, C, H, W], and D's logits of it [n, experts]."""
        made = self.experts(pictures)
        return made, self.logits(made.flatten(0, 1)).unflatten(0, made.shape[:2])

    def logits(self, pictures: Tensor) -> Tensor:
        """D's logits [n] of float pictures [n, C, H, W] being canonical."""
        return self.discriminator(pictures).float().squeeze(-1)

    def encode(self, observations: Tensor) -> Tensor:
        """Every expert's share [n, experts], summing to 1, in pictures [n, C, H, W]: the softmax of its scores."""
        return self.scores(pixels(observations))[1].softmax(-1)

    def restore(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """What the winning expert makes of pictures [n, C, H, W], in [0, 1], and which expert won: long [n]."""
        check_pictures(observations, self.shape)
        made, logits = self.scores(pixels(observations))
        won = logits.argmax(-1)
        return made[torch.arange(len(won), device=won.device), won], won

    def apply_expert(self, pictures: AnyPictures, expert: Integer[Tensor, " n"]) -> Tensor:
        """What the experts `expert` [n] make of float pictures [n, C, H, W] of any size."""
        made = self.experts(pixels(pictures))
        return made[torch.arange(len(made), device=made.device), expert]

    def discriminator_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What D minimises. Logs the share of the experts' pictures that D takes for canonical."""
        canonical, transformed = self._parts(batch)
        with torch.no_grad():
            made = self.experts(self._share(transformed)).flatten(0, 1)
        real, fake = self.logits(torch.cat([canonical, made])).split([len(canonical), len(made)])
        loss = functional.softplus(-real).sum() / max(1, len(real)) + functional.softplus(fake).mean()
        return loss, {"fooled": (fake > 0).float().mean()}

    def identity_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the experts minimise before they compete: the squared error of copying a pixel, summed over experts."""
        seen = self._share(self._parts(batch)[1])
        error = (self.experts(seen) - seen).square().flatten(2).mean(-1)
        return error.mean(0).sum(), {"error": error.mean()}

    def experts_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """-E max_j log c_j. Logs the busiest expert's share of the batch, and how many experts won anything."""
        _, transformed = self._parts(batch)
        made = self.experts(transformed)
        with torch.no_grad():
            won = self.logits(made.flatten(0, 1)).unflatten(0, made.shape[:2]).argmax(-1)
        best = self.logits(made[torch.arange(len(won), device=won.device), won])
        share = torch.bincount(won, minlength=self.code_size) / len(won)
        return functional.softplus(-best).mean(), {"busiest": share.max(), "winners": (share > 0).sum()}

    def objectives(self) -> tuple[Objective, ...]:
        """The experts as they learn the identity; behind that D, then the experts, of whom only the winners move; all by Adam.

        Each begins with averages of its own. Those that copying leaves behind are so small that the first steps of the
        competition would be several times as large as the rate says, and the first winner would take almost everything.
        """
        experts, judge = tuple(self.experts.parameters()), tuple(self.discriminator.parameters())
        copying = partial(torch.optim.Adam, lr=self.learning_rate)
        judging = partial(torch.optim.Adam, lr=self.discriminator_rate)
        winning = partial(WinnersAdam, lr=self.learning_rate)
        return (
            Objective(
                "identity", self.identity_loss, experts, copying, after=self.begun.advance, waits=self._competing
            ),
            Objective("discriminator", self.discriminator_loss, judge, judging, waits=self._copying),
            Objective("experts", self.experts_loss, experts, winning, waits=self._copying),
        )

    def _copying(self) -> bool:
        return not self._competing()

    def _competing(self) -> bool:
        return bool(self.begun.now() >= 1)

    def _parts(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The canonical and the transformed pictures of a batch; ValueError where none is transformed."""
        check_pictures(batch["x"], self.shape)
        pictures, canonical = pixels(batch["x"]), batch["y"] == 0
        if canonical.all():
            raise ValueError("a batch must hold pictures with y above 0, transformed ones, got none")
        return pictures[canonical], pictures[~canonical]

    def _share(self, pictures: Tensor) -> Tensor:
        """As many of the pictures as are shown, drawn for every expert by itself: [shown, experts, C, H, W]."""
        count = min(self.shown, len(pictures)) if self.shown else len(pictures)
        order = torch.rand(len(pictures), self.code_size, device=pictures.device).argsort(0)
        return pictures[order[:count]]


class Experts(nn.Module):
    """`count` networks of five 3 x 3 convolutions, batch normalisation, ELU and a sigmoid (table 1), computed as one.

    Their weights are stacked, and a convolution has a group for every expert. Any size of picture goes through.
    """

    def __init__(self, count: int, channels: int, filters: int):
        super().__init__()
        self.count = count
        sizes = [channels, *[filters] * 4, channels]
        self.weights = nn.ParameterList(
            nn.Parameter(torch.empty(count, after, before, 3, 3)) for before, after in pairwise(sizes)
        )
        for weight in self.weights:
            nn.init.kaiming_uniform_(weight.data.flatten(0, 1), a=math.sqrt(5))
            weight.data[:, 0, 0, 1, 1] += 1  # the first map passes on: an identity is near
        self.bias = nn.Parameter(torch.zeros(count, channels))
        self.scales = nn.ParameterList(nn.Parameter(torch.ones(count, filters)) for _ in range(4))
        self.shifts = nn.ParameterList(nn.Parameter(torch.zeros(count, filters)) for _ in range(4))
        for layer in range(4):
            self.register_buffer(f"mean_{layer}", torch.zeros(count * filters))
            self.register_buffer(f"variance_{layer}", torch.ones(count * filters))

    def forward(self, pictures: Tensor) -> Tensor:
        """What every expert makes, [n, count, C, H, W], of float pictures [n, C, H, W], or of its own [n, count, C, H, W]."""
        together = pictures.ndim == 4
        maps = (pictures if together else pictures.flatten(1, 2)).contiguous(memory_format=torch.channels_last)
        for layer, weight in enumerate(self.weights):
            kernel = weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)
            bias = self.bias.flatten() if layer == 4 else None
            maps = functional.conv2d(maps, kernel, bias, padding=1, groups=1 if together and not layer else self.count)
            if layer < 4:
                running = getattr(self, f"mean_{layer}"), getattr(self, f"variance_{layer}")
                scale, shift = self.scales[layer].flatten(), self.shifts[layer].flatten()
                maps = functional.batch_norm(maps, *running, scale, shift, self.training)
                maps = functional.elu(maps, inplace=True)
        return maps.float().sigmoid().unflatten(1, (self.count, -1))


def _discriminator(
    shape: tuple[int, ...], widths: tuple[int, ...], convolutions: tuple[int, ...], hidden: int
) -> nn.Sequential:
    """Pictures [n, C, H, W] -> a logit [n, 1]: 3 x 3 convolutions with ELU, pooled by averages block by block (table 1)."""
    layers: list[nn.Module] = []
    channels, height, width = shape
    for outputs, count in zip(widths, convolutions, strict=True):
        for _ in range(count):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.ELU(inplace=True)]
            channels = outputs
        layers.append(nn.AvgPool2d(2))
        height, width = height // 2, width // 2
    layers += [nn.Flatten(), nn.Linear(channels * height * width, hidden), nn.ELU(inplace=True), nn.Linear(hidden, 1)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class WinnersAdam(torch.optim.Optimizer):
    """Adam over stacked parameters [experts, ...] that leaves an expert, and its averages, where its gradient is all zero."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        super().__init__(parameters, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One step of Adam (Kingma & Ba 2015) for every expert that has a gradient."""
        for group in self.param_groups:
            first, second = group["betas"]
            for parameter in group["params"]:
                gradient = parameter.grad
                if gradient is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["steps"] = torch.zeros(len(parameter), device=parameter.device)
                    state["mean"] = torch.zeros_like(parameter)
                    state["square"] = torch.zeros_like(parameter)
                won = gradient.flatten(1).any(1)
                wide = won.view(-1, *[1] * (parameter.ndim - 1))
                state["steps"] += won
                state["mean"].lerp_(gradient, (1 - first) * wide.to(gradient))
                state["square"].lerp_(gradient.square(), (1 - second) * wide.to(gradient))
                steps = state["steps"].clamp(min=1).view_as(wide)
                scale = (state["square"] / (1 - second**steps)).sqrt() + group["eps"]
                parameter -= wide * group["lr"] / (1 - first**steps) * state["mean"] / scale
