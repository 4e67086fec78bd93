"""Learning semantically meaningful embeddings using linear constraints (Lin, Yang, Birke & Clark 2019).

    z = e(x)                        the code: an autoencoder's, or the mean of a VAE's posterior q(z | x)
    o_i = W_i z + b_i               the outputs for attribute i: one for a number, K_i for one of K_i classes   (eq. 5)
    r_i = softmax(o_i)              the estimated distribution over classes                                     (eq. 7)

    L_r = |x - x^|^2                summed over pixels; for the VAE its KL(q(z | x) || N(0, I)) is added        (eq. 1)
    L_i = |a_i - o_i|^2             of a number, in units of half its range                                     (eq. 2)
    L_i = -ln r_i[class]                                                                                        (eq. 3)
    minimise L_r + weight sum_i L_i     over encoder, decoder and all W_i, b_i                                  (eq. 4)

The paper prints a weight of 1 and no scale of its pixels; beside an error summed over hundreds of them the cross-entropy
then hardly moves the encoder, so that the weight is a setting. `joint=False` is the baseline, whose estimator learns from
codes that it does not move.

Inversion: with C = I - 1/K, softmax(W z + b) = r if and only if C (W z + b) = C ln r. Stacked over the attributes that are
asked for, this is M z = t, and the code nearest to z_0 that has these attributes is

    z = z_0 + M^+ (t - M z_0)                                                                                   (eqs. 6, 9)

The paper has (W^T W)^-1 W^T for M^+, which does not exist where z has more dimensions than M has independent rows (K - 1
for K classes): the pseudo-inverse is the same where it does exist, and the solution of minimum norm where it does not. The
paper divides by the last class in place of centring (`ratios="last"`): the same code where M z = t can be met, and one that
depends on which class is last where it cannot. Its equation 9 has lost the logarithm of equation 8. (I - M^+ M) z_0 is what
the attributes do not say; with z_0 the mean code it is typical, with the code of a picture that picture is edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval, MinLen
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Real, Shape, Size
from representations.model import Logs, Objective, Pictures, Representation, check_pictures, pixels
from representations.parts.networks import Background, conv_decoder, conv_encoder, dense_decoder, dense_encoder
from representations.parts.terms import gaussian_kl, gaussian_sample

Classes = Annotated[int, Interval(ge=2, le=2**14)]
Attribute = Classes | tuple[Real, Real]
Ratios = Literal["centred", "last"]
LEAST = 1e-6  # a probability of 0 has no logarithm: requests are cut here
RANK = 1e-6  # singular values below this share of the largest one count as 0


class LinearConstraints(Representation):
    """An autoencoder of pictures whose code is a linear map away from attributes, which can be turned round.

    `attributes` has an entry for each: the number of its classes, or (low, high) of a number. A batch is a dict of pictures
    `x` [n, C, H, W], labels `y` float [n, attributes] (or [n] for one), and where only some are known `labelled` bool [n].
    `variational` chooses the VAE, `joint` the paper's training against that of the estimator alone; `weight` is that of the
    attributes' losses beside the pixels' sum. Networks: `network` "conv" with `channels`, or "dense", with `hidden` units.
    """

    def __init__(
        self,
        shape: Shape = (1, 28, 28),
        attributes: Annotated[tuple[Attribute, ...], MinLen(1)] = (10,),
        code_size: Size = 16,
        variational: bool = True,
        joint: bool = True,
        weight: NonNegative = 10.0,
        network: Literal["conv", "dense"] = "conv",
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        ranges = [each for each in attributes if isinstance(each, tuple)]
        if any(low >= high for low, high in ranges):
            raise ValueError(f"attributes must be class counts or (low, high) with low below high, got {attributes}")
        self.shape, self.attributes, self.code_size = tuple(shape), tuple(attributes), code_size
        self.variational, self.joint, self.weight, self.learning_rate = variational, joint, weight, learning_rate
        outputs = 2 * code_size if variational else code_size
        if network == "conv":
            self.encoder = conv_encoder(self.shape, outputs, channels, hidden)
            self.decoder = conv_decoder(code_size, self.shape, channels, hidden)
        else:
            self.encoder = dense_encoder(self.shape, outputs, hidden)
            self.decoder = dense_decoder(code_size, self.shape, hidden)
        self.background = Background()
        self.sizes = tuple(1 if isinstance(each, tuple) else each for each in self.attributes)
        self.estimator = nn.Linear(code_size, sum(self.sizes))
        self.register_buffer("mean_code", torch.zeros(code_size))
        self.register_buffer("batches", torch.zeros(()))

    mean_code: Tensor
    batches: Tensor

    def posterior(self, observations: Pictures) -> tuple[Tensor, Tensor | None]:
        """The code [n, code_size] of pictures [n, C, H, W], and of a VAE the log variance of its posterior."""
        check_pictures(observations, self.shape)
        found = self.encoder(pixels(observations)).float()
        return found.chunk(2, -1) if self.variational else (found, None)  # type: ignore[return-value]

    def encode(self, observations: Pictures) -> Tensor:
        """The code [n, code_size] of pictures [n, C, H, W]: of a VAE the posterior mean."""
        return self.posterior(observations)[0]

    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """Pictures [n, C, H, W] in [0, 1] of codes [n, code_size]."""
        return self.decoder(code).float().sigmoid()

    def estimate(self, code: Float[Tensor, "n code_size"]) -> list[Tensor]:
        """What the codes say of every attribute: the probabilities of its classes [n, K], or its number [n]."""
        found = []
        for kind, output in zip(self.attributes, self.estimator(code).float().split(self.sizes, -1), strict=True):
            found.append(output.softmax(-1) if isinstance(kind, int) else _number(output[:, 0], kind))
        return found

    def attribute_loss(self, code: Tensor, labels: Tensor, labelled: Tensor | None) -> tuple[Tensor, Logs]:
        """The sum of the attributes' losses for codes of pictures with these labels, a mean over those that are known."""
        if labelled is not None:
            code, labels = code[labelled], labels[labelled]
        labels = labels[:, None] if labels.ndim == 1 else labels
        if labels.shape[1] != len(self.attributes):
            raise ValueError(f"y must have a column for each of {len(self.attributes)} attributes, got {labels.shape}")
        total, logs = code.new_zeros(()), {}
        for k, output in enumerate(self.estimator(code).float().split(self.sizes, -1)):
            kind = self.attributes[k]
            if isinstance(kind, int):
                loss = functional.cross_entropy(output, labels[:, k].round().long(), reduction="sum")  # (eq. 3)
            else:
                loss = (output[:, 0] - _standard(labels[:, k].float(), kind)).square().sum()  # (eq. 2)
            logs[f"attribute_{k}"] = loss / max(len(code), 1)
            total = total + logs[f"attribute_{k}"]
        return total, logs

    def _reconstruct(self, pictures: Tensor) -> tuple[Tensor, Tensor, Logs]:
        """The code (of a VAE a sample), what the autoencoder alone minimises, and its terms, for pictures [n, C, H, W]."""
        mean, logvar = self.posterior(pictures)
        target = pixels(pictures)
        self.background(self.decoder, target)
        code = mean if logvar is None else gaussian_sample(mean, logvar)
        error = (self.decode(code) - target).square().flatten(1).sum(1).mean()  # (eq. 1)
        if self.training:
            with torch.no_grad():
                self.batches += 1
                self.mean_code += (mean.mean(0) - self.mean_code) / self.batches.clamp(max=100)
        if logvar is None:
            return code, error, {"error": error}
        kl = gaussian_kl(mean, logvar).mean()
        return code, error + kl, {"error": error, "kl": kl}

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What joint training minimises (eq. 4)."""
        code, total, logs = self._reconstruct(batch["x"])
        cost, more = self.attribute_loss(code, batch["y"], batch.get("labelled"))
        return total + self.weight * cost, logs | more

    def autoencoder_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the autoencoder of separate training minimises."""
        _, total, logs = self._reconstruct(batch["x"])
        return total, logs

    def estimator_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the estimator of separate training minimises, on codes that it does not move."""
        with torch.no_grad():
            code = self.encode(batch["x"])
        return self.attribute_loss(code, batch["y"], batch.get("labelled"))

    def objectives(self) -> tuple[Objective, ...]:
        """Joint training has one player, separate training the autoencoder and behind it the estimator."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        if self.joint:
            return (Objective("joint", self.loss, tuple(self.parameters()), adam),)
        networks = (*self.encoder.parameters(), *self.decoder.parameters())
        return (
            Objective("autoencoder", self.autoencoder_loss, networks, adam),
            Objective("estimator", self.estimator_loss, tuple(self.estimator.parameters()), adam),
        )

    def rows(self, k: int, ratios: Ratios = "centred") -> tuple[Tensor, Tensor]:
        """The rows of attribute k, float64: of an output or of the outputs' log-ratios, W [rows, code_size] and b [rows]."""
        kind = self.attributes[k]
        weight = self.estimator.weight.detach().double().split(self.sizes)[k]
        bias = self.estimator.bias.detach().double().split(self.sizes)[k]
        if isinstance(kind, tuple):
            return weight, bias
        turn = _turn(kind, ratios, weight.device)
        return turn @ weight, turn @ bias

    def system(self, requests: Mapping[int, Tensor], ratios: Ratios = "centred") -> tuple[Tensor, Tensor]:
        """M [rows, code_size] and t [n, rows] of the codes that have the requested attributes: M z = t, in float64.

        `requests` are by the attribute's place: probabilities [n, K] of its classes, at least 0 and with a sum of 1, or
        numbers [n] of its range. Probabilities are cut at 1e-6.
        """
        if not requests:
            raise ValueError("requests must name at least one attribute")
        matrices, targets = [], []
        for k, wanted in requests.items():
            if k not in range(len(self.attributes)):
                raise ValueError(f"requests are for the attributes 0 to {len(self.attributes) - 1}, got {k!r}")
            kind, wanted = self.attributes[k], self._wanted(k, wanted)
            matrix, bias = self.rows(k, ratios)
            if isinstance(kind, int):
                target = wanted.clamp(min=LEAST).log() @ _turn(kind, ratios, wanted.device).T  # (eq. 8)
            else:
                target = _standard(wanted, kind)[:, None]
            matrices.append(matrix)
            targets.append(target - bias)  # (eqs. 5, 8)
        return torch.cat(matrices), torch.cat(targets, 1)

    def _wanted(self, k: int, wanted: Tensor) -> Tensor:
        """A request for attribute k, checked, in float64 where the model is."""
        kind = self.attributes[k]
        wanted = torch.as_tensor(wanted, dtype=torch.float64, device=self.mean_code.device)
        if isinstance(kind, tuple):
            low, high = kind
            slack = 1e-4 * (high - low)  # a rounding error is forgiven
            if wanted.ndim != 1 or not ((wanted >= low - slack) & (wanted <= high + slack)).all():
                got = f"values from {wanted.min():g} to {wanted.max():g}" if wanted.ndim == 1 else list(wanted.shape)
                raise ValueError(f"requests[{k}] must be numbers [n] from {low:g} to {high:g}, got {got}")
            return wanted.clamp(low, high)
        if wanted.ndim != 2 or wanted.shape[1] != kind:
            raise ValueError(f"requests[{k}] must be probabilities [n, {kind}], got shape {list(wanted.shape)}")
        if not ((wanted >= 0).all() and ((wanted.sum(1) - 1).abs() < 1e-3).all()):
            raise ValueError(f"requests[{k}] must be probabilities: at least 0, each row with a sum of 1")
        return wanted

    def invert(
        self,
        requests: Mapping[int, Tensor],
        base: Float[Tensor, "n code_size"] | None = None,
        ratios: Ratios = "centred",
    ) -> Tensor:
        """The codes [n, code_size] with these attributes that are nearest to `base`, the mean code unless told.

        Attributes without a request are free. They are exact while the requested attributes have no more independent rows
        than the code has dimensions (K - 1 for K classes, 1 for a number); beyond it they are the least squares of eqs. 6
        and 9. `requests` as `system` takes them.
        """
        start = (self.mean_code[None] if base is None else base).double()
        return _nearest(start, *self.system(requests, ratios))

    def edit(self, code: Float[Tensor, "n code_size"], requests: Mapping[int, Tensor]) -> Tensor:
        """The codes with these attributes, the outputs for all others, and what attributes do not say of the given codes."""
        start, (matrix, target) = code.double(), self.system(requests)
        held = [self.rows(k)[0] for k in range(len(self.attributes)) if k not in requests]
        return _nearest(start, torch.cat([matrix, *held]), torch.cat([target, *(start @ m.T for m in held)], 1))

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """Pictures [n, C, H, W] of attributes drawn at random: classes with a probability of 0.99, numbers evenly."""
        requests: dict[int, Any] = {}
        for k, kind in enumerate(self.attributes):
            if isinstance(kind, int):
                place = torch.randint(kind, (n,), generator=generator, device=generator.device)
                requests[k] = peaked(place, kind)
            else:
                share = torch.rand(n, generator=generator, device=generator.device)
                requests[k] = kind[0] + (kind[1] - kind[0]) * share
        return self.decode(self.invert(requests))


def peaked(label: Tensor, classes: int, peak: float = 0.99) -> Tensor:
    """The distributions [n, classes] with probability `peak` at `label` [n] and the rest spread evenly."""
    rest = (1 - peak) / (classes - 1)
    return rest + (peak - rest) * functional.one_hot(label.long(), classes).double()


def _turn(classes: int, ratios: Ratios, device: torch.device) -> Tensor:
    """What makes log-ratios of logarithms of probabilities: to their mean [K, K], or to that of the last class [K - 1, K]."""
    eye = torch.eye(classes, dtype=torch.float64, device=device)
    return eye - 1 / classes if ratios == "centred" else eye[:-1] - eye[-1]


def _nearest(start: Tensor, matrix: Tensor, target: Tensor) -> Tensor:
    """The solutions z [n, d] of matrix z = target, or its least squares, nearest to start: float32."""
    return (start + (target - start @ matrix.T) @ torch.linalg.pinv(matrix, rtol=RANK).T).float()


def _standard(value: Tensor, kind: tuple[float, float]) -> Tensor:
    """A number of the range (low, high) in units of half of it, from -1 to 1."""
    return (value - (kind[0] + kind[1]) / 2) * (2 / (kind[1] - kind[0]))


def _number(value: Tensor, kind: tuple[float, float]) -> Tensor:
    """What `_standard` made of it, back."""
    return (kind[0] + kind[1]) / 2 + value * ((kind[1] - kind[0]) / 2)
