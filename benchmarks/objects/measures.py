"""What is measured of learned objects: whether they can be counted, and whose pixels change when a part of the code does.

The first part of an MVAE's code is its object of largest KL. That of an object VAE is as many dimensions, those of largest KL
in the picture at hand. A change of a picture is the absolute difference, summed over colours. A sprite's own pixels are the
renderer's mask of it; its surroundings, in which a change counts as inside, are those and the pixels that touch them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from envs.multi_sprites import MultiSprites
from representations.model import pixels
from representations.mvae import MVAE, ObjectVAE, SceneVAE
from representations.parts.terms import gaussian_kl_each

CHUNK = 250
SEEN = 26  # levels of 255 by which a sprite must change some pixel to be seen
NUDGE = 0.25  # standard deviations of the prior by which a latent is moved


class Scenes(NamedTuple):
    """Scenes: pictures uint8 [n, 3, H, W], and the sprites' masks uint8 [n, K, H, W]."""

    pictures: Tensor
    masks: Tensor


def crowded(world: MultiSprites, n: int, generator: torch.Generator) -> Scenes:
    """`n` scenes of two sprites or more, as far as the world has so many: with one alone no other could change."""
    kept = torch.empty(0, len(world.factors))
    while len(kept) < n:
        rows = world.sample(2 * n, generator)
        kept = torch.cat([kept, rows[numbers(rows) >= min(2, world.sprites)]])
    return Scenes(world.render(kept[:n]), world.masks(kept[:n]))


def numbers(factors: Tensor) -> Tensor:
    """How many sprites exist in scenes of factors [n, 9 K]: int64 [n]."""
    return (factors[:, ::9] > 0.5).sum(1)


def all_seen(world: MultiSprites, factors: Tensor) -> Tensor:
    """Whether each sprite of a scene changes some pixel by a tenth, for factors [n, 9 K]: bool [n].

    The others cannot be counted by anyone.
    """
    whole, seen = world.render(factors).short(), torch.ones(len(factors), dtype=torch.bool)
    for k in range(world.sprites):
        rest = factors.clone()
        rest[:, 9 * k] = 0
        gap = (whole - world.render(rest).short()).abs().flatten(1).amax(1)
        seen &= (gap >= SEEN) | (factors[:, 9 * k] < 0.5)
    return seen


@torch.no_grad()
def largest_kl(model: MVAE, pictures: Tensor, k: int) -> Tensor:
    """The `k` largest KL of a map in falling order, in nats: [n, k] of pictures uint8 [n, 3, H, W]."""
    return torch.cat([model.candidates(part).kl.topk(k).values for part in pictures.split(CHUNK)])


def best_threshold(kl: Tensor, count: Tensor) -> float:
    """The threshold that counts most scenes right, of KL in falling order [n, k] and true numbers [n], below k.

    A scene of c objects is counted right by thresholds from its KL number c + 1 up to, but not including, number c. How many
    such intervals hold a threshold changes at their ends only, so that all of them are tried.
    """
    bounded = torch.cat([torch.full((len(kl), 1), torch.inf), kl], 1)
    high, low = bounded.gather(1, torch.stack([count, count + 1], 1)).unbind(1)
    low, high = low.sort().values, high.sort().values
    right = torch.searchsorted(low, low, right=True) - torch.searchsorted(high, low, right=True)
    return low[right.argmax()].item()


def right(kl: Tensor, count: Tensor, threshold: float) -> Tensor:
    """Whether as many of the KL [n, k] exceed the threshold as there are objects [n]: bool [n]."""
    return (kl > threshold).sum(1) == count


def change(first: Tensor, second: Tensor) -> Tensor:
    """How far pictures [n, C, H, W] differ by pixel: [n, H, W]."""
    return (first - second).abs().sum(1)


def around(masks: Tensor) -> Tensor:
    """The surroundings of masks [n, K, H, W]: float, 1 in the mask and in every pixel that touches it."""
    return functional.max_pool2d(masks.float(), 3, 1, 1)


def inside(changes: Tensor, region: Tensor) -> Tensor:
    """The share of changes [..., H, W] that lies in regions [..., H, W] of 0 and 1; 0 where nothing changes: [...]."""
    return (changes * region).sum((-2, -1)) / changes.sum((-2, -1)).clamp(min=1e-9)


def moved(changes: Tensor, masks: Tensor) -> Tensor:
    """The sprite in whose surroundings most of a change lies: int64 [n], of changes [n, H, W] and masks [n, K, H, W]."""
    return inside(changes[:, None], around(masks)).argmax(1)


def first_part(model: SceneVAE, pictures: Tensor) -> Tensor:
    """Which dimensions of the code are its first part: int64 [n, D] of pictures [n, 3, H, W]."""
    if isinstance(model, MVAE):
        return torch.arange(model.object_size).expand(len(pictures), -1)
    assert isinstance(model, ObjectVAE)
    mean, logvar, _ = model.posterior(pictures)
    return gaussian_kl_each(mean, logvar).flatten(1).topk(min(model.object_size, model.code_size)).indices


def without(model: SceneVAE, code: Tensor, part: Tensor) -> Tensor:
    """Pictures of codes [n, d] without their first part [n, D]: an object left out, or dimensions at the prior's mean."""
    if isinstance(model, MVAE):
        return model.draw(code.unflatten(1, (model.slots, -1))[:, 1:])
    return model.decode(code.scatter(1, part, 0.0))


@torch.no_grad()
def exchange(model: SceneVAE, first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Pairs of scenes [n, 3, H, W] exchange the first parts of their codes; pictures [2 n, 3, H, W], first ones in front.

    `own` are the reconstructions, `without` those without the part, `exchanged` those with the other's.
    """
    one, other = model.encode(first), model.encode(second)
    part = first_part(model, first)
    swapped = one.scatter(1, part, other.gather(1, part)), other.scatter(1, part, one.gather(1, part))
    codes, both = torch.cat([one, other]), part.repeat(2, 1)
    return {
        "own": model.decode(codes),
        "without": without(model, codes, both),
        "exchanged": model.decode(torch.cat(swapped)),
    }


def exchanges(model: SceneVAE, world: MultiSprites, n: int, generator: torch.Generator) -> dict[str, float]:
    """What changes when `n` pairs of scenes exchange the first parts of their codes.

    Which sprites are exchanged say the changes when the part is left out. `exchange_inside`: the share of the change in the
    surroundings of both sprites, which are `exchange_area` of the picture. `exchange_others`: the change of a pixel of
    the other sprites, outside those surroundings, over the change of a pixel of the exchanged ones.
    """
    first, second = crowded(world, n, generator), crowded(world, n, generator)
    found = exchange(model, first.pictures, second.pictures)
    masks = torch.cat([first.masks, second.masks])
    sprite = moved(change(found["own"], found["without"]), masks)
    rows = torch.arange(len(masks))
    own = masks[rows, sprite].float()
    both = torch.maximum(own, own.roll(n, 0))  # the sprite that leaves, and where the one that comes stood
    region = around(both[:, None])[:, 0]
    rest = masks.clone()
    rest[rows, sprite] = 0
    others = rest.amax(1) * (1 - region)
    changes = change(found["own"], found["exchanged"])
    means = [(changes * where).sum() / where.sum().clamp(min=1) for where in (others, both)]
    return {
        "exchange_inside": inside(changes, region).mean().item(),
        "exchange_area": region.mean().item(),
        "exchange_others": (means[0] / means[1].clamp(min=1e-9)).item(),
    }


@torch.no_grad()
def sequence(model: MVAE, pictures: Tensor) -> Tensor:
    """Scenes decoded by 0, 1 .. N objects in the order of their KL: [n, N + 1, 3, H, W] of pictures [n, 3, H, W]."""
    codes = model.encode(pictures).unflatten(1, (model.slots, -1))
    shown = torch.ones(model.slots + 1, model.slots, dtype=torch.bool).tril(-1)
    drawn = [model.draw(code.expand(len(shown), -1, -1), shown) for code in codes]
    return torch.stack(drawn)


def sequences(model: MVAE, scenes: Scenes) -> dict[str, float]:
    """What every further object adds, in the order of their KL.

    `added_inside`: the share of the change in one sprite's surroundings, for as many objects as there are sprites;
    `each_once`: the share of scenes in which these objects are the sprites, each once. `surplus`: the change that a
    further object makes, over that of one of the first.
    """
    drawn = sequence(model, scenes.pictures)
    steps = (drawn[:, 1:] - drawn[:, :-1]).abs().sum(2)  # [n, N, H, W]
    there = scenes.masks.flatten(2).any(2)
    count = there.sum(1)
    shares = torch.stack([inside(step[:, None], around(scenes.masks)) for step in steps.unbind(1)], 1)  # [n, N, K]
    first = torch.arange(model.slots) < count[:, None]
    met = functional.one_hot(shares.argmax(2), there.shape[1]) * first[:, :, None]
    total = steps.sum((-2, -1))
    rest = total[~first].mean() if (~first).any() else total.new_zeros(())
    return {
        "added_inside": shares.amax(2)[first].mean().item(),
        "each_once": (met.sum(1) == there).all(1).float().mean().item(),
        "surplus": (rest / total[first].mean().clamp(min=1e-9)).item(),
    }


@torch.no_grad()
def traversed(model: SceneVAE, scenes: Scenes) -> dict[str, float]:
    """What changes when each dimension of a code's first part is moved by a quarter of the prior's standard deviation.

    `moved_inside`: the share of the change in the surroundings of one sprite, that of most change for each dimension.
    """
    code, part = model.encode(scenes.pictures), first_part(model, scenes.pictures)
    own, within, total = model.decode(code), 0.0, 0.0
    for dimension in part.unbind(1):
        changes = change(own, model.decode(code.scatter_add(1, dimension[:, None], torch.full((len(code), 1), NUDGE))))
        shares = inside(changes[:, None], around(scenes.masks)).amax(1)
        every = changes.sum((-2, -1))
        within, total = within + (shares * every).sum().item(), total + every.sum().item()
    return {"moved_inside": within / max(total, 1e-9)}


@torch.no_grad()
def bound(model: SceneVAE, pictures: Tensor) -> dict[str, float]:
    """The bound at one sample of every posterior, its terms in nats a picture, and the mean squared error of a pixel."""
    terms = [torch.stack(model.terms(part)) for part in pictures.split(CHUNK)]
    errors = [
        (model.decode(model.encode(part)) - pixels(part)).square().flatten(1).mean(1) for part in pictures.split(CHUNK)
    ]
    nll, kl = torch.cat(terms, 1).mean(1).tolist()
    return {"elbo": -nll - kl, "nll": nll, "kl": kl, "pixel_error": torch.cat(errors).mean().item()}
