"""ARAE: adversarially regularised autoencoders for attribute transfer (Zhao, Kim, Zhang, Rush & LeCun 2017).

    c = enc(x)                      a code on the unit sphere               p_y(x | c)    a decoder for each attribute value y
    c~ = g(s),  s ~ N(0, I)         a code of the latent GAN                f(c), p_u(y | c)    critic and classifier

    (1)   over enc, p     L_rec = -E log p_y(x | c + noise)                                  autoencoder
    (2)   over f          -E f(c) + E f(c~) + penalty E (|grad f| - 1)^2        (eq. 1)      critic, `repeats` times
    (2b)  over p_u        L_class = -E log p_u(y | c)                                        classifier
    (3)   over g          -E f(c~)                                                           generator
          over enc        weigh_critic E f(c)                                                encoder_critic
    (3b)  over enc        -weigh_class E log p_u(y' | c),  y' != y                           encoder_classifier

as in algorithm 1, all minimised, in this order. Step 3 is printed as one move of encoder and generator; as neither's gradient
has the other's parameters, it is two here. y' is 1 - y, of more than two values another by chance. The paper keeps f Lipschitz
by clipping its weights (`clip`), the published program by the gradient penalty, the default here.

The encoder's own moves (3, 3b) are by plain gradient descent, as in the published program: Adam would divide their weights out.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Share, Size
from representations.model import Logs, Objective
from representations.parts.networks import mlp
from representations.parts.sentence_autoencoder import SentenceAutoencoder
from representations.parts.sentences import Classes, Labelled
from representations.parts.terms import gradient_penalty
from representations.parts.together import normal_like


class ARAE(SentenceAutoencoder):
    """Sentences over `words` ids of up to `length`, ends counted; a batch is a dict of `x` [n, T] and values `y` [n].

    `noise` is the spread of each number of a code in training, which falls by the factor `anneal` every 100 steps. Generator,
    critic and classifier have `hidden` units in two layers, the generator `latent` inputs; `clip` keeps the critic's weights
    within so much of 0, where it is not 0. The autoencoder learns by Adam at `learning_rate`, the three networks on codes at
    `adversary_rate`, and the encoder against them by gradient descent at `encoder_rate`. Transfer is best long before
    reconstruction is: stop by validation.
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
        hidden: Size = 128,
        latent: Size = 32,
        weigh_critic: NonNegative = 0.01,
        weigh_class: NonNegative = 1.0,
        penalty: NonNegative = 0.1,
        clip: NonNegative = 0.0,
        repeats: Size = 5,
        learning_rate: Positive = 4e-3,
        adversary_rate: Positive = 2e-3,
        encoder_rate: Positive = 3.0,
    ):
        super().__init__(words, length, classes, code_size, embedding, noise, anneal)
        self.latent, self.repeats = latent, repeats
        self.weigh_critic, self.weigh_class, self.penalty, self.clip = weigh_critic, weigh_class, penalty, clip
        self.learning_rate, self.adversary_rate, self.encoder_rate = learning_rate, adversary_rate, encoder_rate
        self.generator = mlp(latent, hidden, hidden, code_size)
        self.critic = mlp(code_size, hidden, hidden, 1)
        self.classifier = mlp(code_size, hidden, hidden, classes)

    def imagine(self, noise: Float[Tensor, "n latent"]) -> Tensor:
        """The generator's codes [n, code_size], of length 1, of noise [n, latent]."""
        return functional.normalize(self.generator(noise).float(), dim=-1)

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` sentences, ids [n, length], of codes of the latent GAN, each by the decoder of a value drawn evenly."""
        noise = torch.randn(n, self.latent, generator=generator, device=generator.device)
        y = torch.randint(self.classes, (n,), generator=generator, device=generator.device)
        device = self.output.weight.device
        with torch.no_grad():
            return self.decode(self.imagine(noise.to(device)), y.to(device))

    def autoencoder_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 1: L_rec, in nats a word."""
        nll = self.reconstruction(batch)
        return nll, {"nll": nll}

    def critic_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 2; logs the estimated Wasserstein distance of the encoder's codes and the generator's, and the penalty."""
        with torch.no_grad():
            real = self.encode(batch["x"])
            fake = self._imagined(len(real))
        distance = self._worth(real).mean() - self._worth(fake).mean()
        steep = gradient_penalty(self._worth, real, fake) if self.penalty else torch.zeros_like(distance)
        return self.penalty * steep - distance, {"distance": distance, "penalty": steep}

    def classifier_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 2b: L_class in nats; logs the share of the values that the classifier reads off codes."""
        with torch.no_grad():
            code = self.encode(batch["x"])
        logits = self._told(code)
        right = (logits.argmax(-1) == batch["y"]).float().mean()
        return functional.cross_entropy(logits, batch["y"]), {"accuracy": right}

    def generator_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 3, the generator's: codes that the critic takes for the encoder's."""
        worth = self._worth(self._imagined(len(batch["x"]))).mean()
        return -worth, {"worth": worth}

    def encoder_critic_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 3, the encoder's: codes that the critic takes for the generator's."""
        worth = self._worth(self.encode(batch["x"])).mean()
        return self.weigh_critic * worth, {"worth": worth}

    def encoder_classifier_loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Move 3b: codes that the classifier takes for those of another value."""
        y = batch["y"]
        others = (y + torch.randint_like(y, 1, self.classes)) % self.classes
        fooled = functional.cross_entropy(self._told(self.encode(batch["x"])), others)
        return self.weigh_class * fooled, {"fooled": fooled}

    def objectives(self) -> tuple[Objective, ...]:
        """Six players, in the order of algorithm 1."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        adversary = partial(torch.optim.Adam, lr=self.adversary_rate, betas=(0.5, 0.999), fused=True)
        descent = partial(torch.optim.SGD, lr=self.encoder_rate)
        encoder = (*self.embedding.parameters(), *self.encoder.parameters())
        autoencoder = (*encoder, *self.decoders.parameters(), *self.output.parameters())
        critic, classifier = tuple(self.critic.parameters()), tuple(self.classifier.parameters())
        return (
            Objective("autoencoder", self.autoencoder_loss, autoencoder, adam, after=self.count),
            Objective("critic", self.critic_loss, critic, adversary, self.repeats, self._clip),
            Objective("classifier", self.classifier_loss, classifier, adversary),
            Objective("generator", self.generator_loss, tuple(self.generator.parameters()), adversary),
            Objective("encoder_critic", self.encoder_critic_loss, encoder, descent),
            Objective("encoder_classifier", self.encoder_classifier_loss, encoder, descent),
        )

    def _worth(self, code: Tensor) -> Tensor:
        """f(c) [n] of codes [n, code_size]."""
        return self.critic(code).float().squeeze(-1)

    def _told(self, code: Tensor) -> Tensor:
        """The classifier's logits [n, classes] of codes [n, code_size], which it reads as large as the decoders do."""
        return self.classifier(math.sqrt(self.code_size) * code).float()

    def _imagined(self, n: int) -> Tensor:
        """`n` codes of the generator, by torch's own noise."""
        return self.imagine(normal_like(self.output.weight.new_empty(n, self.latent)))

    @torch.no_grad()
    def _clip(self) -> None:
        if self.clip:
            for parameter in self.critic.parameters():
                parameter.clamp_(-self.clip, self.clip)
