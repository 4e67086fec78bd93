"""The learners by name: made with `make`, saved with `save`, loaded with `load`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from borders import make_named
from borders.files import home
from representations.arae import ARAE
from representations.attribute_transfer import AttributeTransfer
from representations.capacity_vae import CapacityVAE, FactorBottleneck
from representations.causal_mechanisms import CausalMechanisms
from representations.class_conditional import ClassConditional
from representations.cond_vae import CondVAE
from representations.cond_vae_info import CondVAEInfo
from representations.covariance_penalty import CovarianceClassifier, CovariancePenalty
from representations.cross_aligned import CrossAligned
from representations.csvae import CSVAE
from representations.dip_vae import DIPVAE
from representations.disentangled_autoencoder import DisentangledAutoencoder
from representations.dyn_content import DynContent
from representations.e2c import E2C
from representations.f_statistic import BinomialDeviance, FStatistic, Histogram, Triplet
from representations.factor_vae import FactorVAE
from representations.geometry_grasp import GeometryGrasp
from representations.grasp_cnn import GraspCNN
from representations.icf import ICF
from representations.icf_discrete import ICFDiscrete
from representations.independent_prediction import EntangledPrediction, IndependentPrediction
from representations.infogan import InfoGAN
from representations.jade import Jade, PairedClassifier, SingleClassifier
from representations.language_multitask import LanguageMultitask
from representations.linear_constraints import LinearConstraints
from representations.m2 import M2
from representations.mocogan import MoCoGAN
from representations.model import Representation, read_config, read_weights, write_model
from representations.mvae import MVAE, ObjectVAE
from representations.pca import PCA
from representations.rce import RCE
from representations.sd_gan import SDGAN
from representations.sentiment_mmd import SentimentMMD
from representations.structured_vae import StructuredVAE
from representations.text_ae import TextAE
from representations.vae import VAE, BetaVAE
from representations.vgan import VGAN

MODELS: dict[str, type[Representation]] = {
    "arae": ARAE,
    "attribute_transfer": AttributeTransfer,
    "beta_vae": BetaVAE,
    "binomial_deviance": BinomialDeviance,
    "capacity_vae": CapacityVAE,
    "causal_mechanisms": CausalMechanisms,
    "class_conditional": ClassConditional,
    "cond_vae": CondVAE,
    "cond_vae_info": CondVAEInfo,
    "covariance_classifier": CovarianceClassifier,
    "covariance_penalty": CovariancePenalty,
    "cross_aligned": CrossAligned,
    "csvae": CSVAE,
    "dip_vae": DIPVAE,
    "disentangled_autoencoder": DisentangledAutoencoder,
    "dyn_content": DynContent,
    "e2c": E2C,
    "entangled_prediction": EntangledPrediction,
    "f_statistic": FStatistic,
    "factor_bottleneck": FactorBottleneck,
    "factor_vae": FactorVAE,
    "geometry_grasp": GeometryGrasp,
    "grasp_cnn": GraspCNN,
    "histogram": Histogram,
    "icf": ICF,
    "icf_discrete": ICFDiscrete,
    "independent_prediction": IndependentPrediction,
    "infogan": InfoGAN,
    "jade": Jade,
    "language_multitask": LanguageMultitask,
    "linear_constraints": LinearConstraints,
    "m2": M2,
    "mocogan": MoCoGAN,
    "mvae": MVAE,
    "object_vae": ObjectVAE,
    "paired_classifier": PairedClassifier,
    "pca": PCA,
    "rce": RCE,
    "sentiment_mmd": SentimentMMD,
    "sd_gan": SDGAN,
    "single_classifier": SingleClassifier,
    "structured_vae": StructuredVAE,
    "text_ae": TextAE,
    "triplet": Triplet,
    "vae": VAE,
    "vgan": VGAN,
}


def make(name: str, **settings: Any) -> Representation:
    """A new model `name` with `settings`; ValueError or TypeError lists what is allowed, nearest first."""
    return make_named("model", name, MODELS, settings)


def save(
    model: Representation, folder: str | Path, world: str = "", world_settings: Mapping[str, Any] | None = None
) -> Path:
    """Write `model.safetensors` and `config.json` to `folder`; ValueError if its class is not in `MODELS`.

    `world` and its settings say what the model was trained on; `config.json` keeps them.
    """
    about = {"world": world, "world_settings": dict(world_settings or {})} if world else {}
    for name, known in MODELS.items():
        if type(model) is known:
            return write_model(model, home(folder), name, about)
    raise ValueError(f"{type(model).__name__} has no name: add it to representations.MODELS before saving")


def load(folder: str | Path) -> Representation:
    """The model saved in `folder`, in evaluation mode on the CPU.

    `folder` is the one that `save` wrote, the folder of a run, or that of a sweep with a single run (see `find_model`).
    ValueError says what is wrong with a foreign folder.
    """
    folder = find_model(folder)
    name, settings = read_config(folder)
    if name not in MODELS:
        raise ValueError(
            f"{folder} holds a model {name!r} that is not known here; a learner of your own must be in "
            f"representations.MODELS before it is loaded: import its module, on the command line with --import MODULE"
        )
    model = make(name, **settings)
    read_weights(model, folder / "model.safetensors")
    return model.eval()


def find_model(folder: str | Path) -> Path:
    """The folder of a saved model: `folder` itself, its `model`, or that of the only run in it.

    ValueError where several runs in it have one; where none has, `folder` itself, and reading it says what is missing.
    """
    folder = home(folder)
    for place in (folder, folder / "model"):
        if (place / "config.json").exists():
            return place
    found = sorted(path.parent for path in folder.glob("*/model/config.json"))
    if len(found) > 1:
        names = ", ".join(str(path.parent) for path in found)
        raise ValueError(f"{folder} holds {len(found)} models; name one of {names}")
    return found[0] if found else folder
