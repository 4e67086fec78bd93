"""The learners by name: made with `make`, saved with `save`, loaded with `load`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from borders import make_named
from representations.capacity_vae import CapacityVAE, FactorBottleneck
from representations.covariance_penalty import CovarianceClassifier, CovariancePenalty
from representations.dip_vae import DIPVAE
from representations.disentangled_autoencoder import DisentangledAutoencoder
from representations.dyn_content import DynContent
from representations.e2c import E2C
from representations.factor_vae import FactorVAE
from representations.files import home
from representations.geometry_grasp import GeometryGrasp
from representations.grasp_cnn import GraspCNN
from representations.icf import ICF
from representations.icf_discrete import ICFDiscrete
from representations.infogan import InfoGAN
from representations.model import Representation, read_config, read_weights, write_model
from representations.pca import PCA
from representations.rce import RCE
from representations.vae import VAE, BetaVAE

MODELS: dict[str, type[Representation]] = {
    "beta_vae": BetaVAE,
    "capacity_vae": CapacityVAE,
    "covariance_classifier": CovarianceClassifier,
    "covariance_penalty": CovariancePenalty,
    "dip_vae": DIPVAE,
    "disentangled_autoencoder": DisentangledAutoencoder,
    "dyn_content": DynContent,
    "e2c": E2C,
    "factor_bottleneck": FactorBottleneck,
    "factor_vae": FactorVAE,
    "geometry_grasp": GeometryGrasp,
    "grasp_cnn": GraspCNN,
    "icf": ICF,
    "icf_discrete": ICFDiscrete,
    "infogan": InfoGAN,
    "pca": PCA,
    "rce": RCE,
    "vae": VAE,
}


def make(name: str, **settings: Any) -> Representation:
    """A new model `name` with `settings`; ValueError or TypeError lists what is allowed, nearest first."""
    return make_named("model", name, MODELS, settings)


def save(model: Representation, folder: str | Path) -> Path:
    """Write `model.safetensors` and `config.json` to `folder`; ValueError if its class is not in `MODELS`."""
    for name, known in MODELS.items():
        if type(model) is known:
            return write_model(model, home(folder), name)
    raise ValueError(f"{type(model).__name__} has no name: add it to representations.MODELS before saving")


def load(folder: str | Path) -> Representation:
    """The model saved in `folder`, in evaluation mode on the CPU; ValueError says what is wrong with a foreign folder."""
    folder = home(folder)
    name, settings = read_config(folder)
    model = make(name, **settings)
    read_weights(model, folder / "model.safetensors")
    return model.eval()
