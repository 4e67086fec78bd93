"""MoCoGAN: motion and content decomposed GAN (Tulyakov et al. 2017, arXiv 1707.04993).

    z_C ~ N(0, I_50)                     content: one for all frames of a clip                                  (section 2)
    z_M(k) = R_M(eps(k), z_M(k - 1))     motion: a path of a GRU over noise eps(k) ~ N(0, I_10), z_M(0) ~ N(0, I)
    x'(k) = G(z_C, z_M(k))               frames, drawn one by one                                               (eq. 1)
    S_1(v), S_T(v)                       a frame of a clip, T frames of it

    max over D_I and D_V    E log D_I(S_1(v)) + E log(1 - D_I(S_1(v'))) + E log D_V(S_T(v)) + E log(1 - D_V(S_T(v')))
    max over G and R_M      E log D_I(S_1(v')) + E log D_V(S_T(v'))         the form that does not saturate

Both judges give a logit for every patch, and look at their input through noise. As G draws frames one by one, a clip may be
as long as one likes, and one content can follow another's path. Codes of what is seen are the features of D_V.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from borders import Count, Natural, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, pixels
from representations.parts.networks import Background
from representations.parts.together import normal_like, uniform_like
from representations.parts.videos import (
    LEAST_FRAMES,
    ClipGAN,
    Clips,
    drawn,
    frame_generator,
    frame_judge,
    told_apart,
)


class MoCoGAN(ClipGAN):
    """MoCoGAN of clips of `frames` pictures `shape` = (C, H, W); batches are such clips [n, frames, C, H, W].

    `content`, `motion` and `noise` are the sizes of z_C, z_M and eps; `width`, `frame_width` and `clip_width` the numbers of
    filters of G, D_I and D_V next to the picture, and `learning_rate`, `frame_rate` and `clip_rate` their learning rates, R_M's
    being G's. D_I is shown `stills` frames of a clip (1 in the paper, whose clips are 32 a step). `haze` is the spread of the
    noise on what judges see, in pixels from -1 to 1: less than it is hidden from them. Pictures are squares, their side a
    power of two from 16. G begins at the colour of the first batch.

    Raises ValueError for other pictures, or more `stills` than frames.
    """

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        frames: Annotated[int, Interval(ge=LEAST_FRAMES, le=4096)] = 16,
        content: Size = 50,
        motion: Size = 10,
        noise: Size = 10,
        width: Size = 64,
        frame_width: Size = 64,
        clip_width: Size = 64,
        stills: Size = 1,
        haze: NonNegative = 0.1,
        learning_rate: Positive = 2e-4,
        frame_rate: Positive = 2e-4,
        clip_rate: Positive = 2e-4,
        beta1: Annotated[float, Interval(ge=0, le=0.999)] = 0.5,
        weight_decay: NonNegative = 1e-5,
    ):
        super().__init__(shape, frames, clip_width, haze, beta1, weight_decay)
        if stills > frames:
            raise ValueError(f"stills must be at most frames = {frames}, got {stills}")
        self.stills, self.content, self.motion, self.noise = stills, content, motion, noise
        self.learning_rate, self.frame_rate, self.clip_rate = learning_rate, frame_rate, clip_rate
        self.walk = nn.GRU(noise, motion, batch_first=True)
        self.ground = Background()
        self.generator = frame_generator(content + motion, self.shape, width)
        self.frame_judge = frame_judge(self.shape[0], frame_width)

    def draw(self, content: Float[Tensor, "n content"], path: Float[Tensor, "n length motion"]) -> Tensor:
        """The clips [n, T, C, H, W] in [0, 1] of contents [n, content] and paths [n, T, motion], all in one call."""
        return (self._made(content, path) / 2 + 0.5).clamp(0, 1)

    def contents(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` contents z_C [n, content]."""
        return torch.randn(n, self.content, generator=generator, device=generator.device).to(self._device)

    def paths(self, n: Natural, length: Count, generator: torch.Generator) -> Tensor:
        """`n` paths z_M [n, length, motion]."""
        start = torch.randn(n, self.motion, generator=generator, device=generator.device)
        noise = torch.randn(n, length, self.noise, generator=generator, device=generator.device)
        return self._path(noise.to(self._device), start.to(self._device))

    def generate(self, n: Natural, generator: torch.Generator, length: Natural = 0) -> Tensor:
        """`n` clips [n, T, C, H, W] in [0, 1]; of `length` frames, or as many as clips have in training."""
        return self.draw(self.contents(n, generator), self.paths(n, length or self.frames, generator))

    def frame_judge_loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """What D_I minimises over frames of clips; logs how often it is right on each kind."""
        real = pixels(self._still(batch).flatten(0, 1))
        self.ground(self.generator, real)
        with torch.no_grad():
            content, path = self._imagined(batch)
            fake = self._made(content, self._still(path)).flatten(0, 1)  # only the frames that are looked at
        return told_apart(self._of_frames(2 * real - 1), self._of_frames(fake))

    def clip_judge_loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """What D_V minimises over clips; logs how often it is right on each kind."""
        with torch.no_grad():
            fake = self._made(*self._imagined(batch))
        return told_apart(self._of_clips(2 * pixels(batch) - 1), self._of_clips(fake))

    def generator_loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """What G and R_M minimise over as many clips as the batch has; logs either judge's part."""
        made = self._made(*self._imagined(batch))
        frames = functional.softplus(-self._of_frames(self._still(made).flatten(0, 1))).mean()
        clips = functional.softplus(-self._of_clips(made)).mean()
        return frames + clips, {"frames": frames, "clips": clips}

    def objectives(self) -> tuple[Objective, ...]:
        """D_I, D_V, then G with R_M, each by Adam."""
        makers = (*self.generator.parameters(), *self.walk.parameters())
        frames, clips = tuple(self.frame_judge.parameters()), tuple(self.clip_judge.parameters())
        return (
            Objective("frame_judge", self.frame_judge_loss, frames, self._adam(self.frame_rate)),
            Objective("clip_judge", self.clip_judge_loss, clips, self._adam(self.clip_rate)),
            Objective("generator", self.generator_loss, makers, self._adam(self.learning_rate)),
        )

    @property
    def _device(self) -> torch.device:
        return next(self.walk.parameters()).device

    def _path(self, noise: Tensor, start: Tensor) -> Tensor:
        """R_M's states [n, T, motion] behind noise [n, T, noise]."""
        return self.walk(noise, start[None])[0]

    def _made(self, content: Tensor, path: Tensor) -> Tensor:
        """Clips [n, T, C, H, W] from -1 to 1."""
        codes = torch.cat([content[:, None].expand(-1, path.shape[1], -1), path], 2)
        return drawn(self.generator(codes.flatten(0, 1))).unflatten(0, codes.shape[:2])

    def _imagined(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Contents [n, content] and paths [n, frames, motion], as many as the batch has clips, by torch's own generator."""
        room = batch.new_empty(len(batch), 0, dtype=torch.float32)
        content, start = (normal_like(room.new_empty(len(batch), size)) for size in (self.content, self.motion))
        return content, self._path(normal_like(room.new_empty(len(batch), self.frames, self.noise)), start)

    def _still(self, rows: Tensor) -> Tensor:
        """`stills` frames of each of clips or paths [n, T, ...], none twice: [n, stills, ...] (S_1)."""
        chosen = uniform_like(rows.new_empty(rows.shape[:2], dtype=torch.float32)).argsort(1)[:, : self.stills]
        every = torch.arange(len(rows), device=rows.device)[:, None]
        return rows[every, chosen]

    def _of_frames(self, frames: Tensor) -> Tensor:
        """D_I's logits of frames [n, C, H, W] through the haze."""
        return self.frame_judge(self._hazed(frames)).float()
