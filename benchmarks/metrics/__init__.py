"""Scores: codes in, numbers out."""

from benchmarks.metrics.codes import score_codes
from benchmarks.metrics.covariance import cvr, mapc, tdv, ud90
from benchmarks.metrics.importance import DCI, completeness, dci, disentanglement
from benchmarks.metrics.information import mig, modularity, mutual_information
from benchmarks.metrics.interventions import beta_vae_changed, beta_vae_fixed, factor_vae
from benchmarks.metrics.linear import explicitness, sap
from benchmarks.metrics.neighbours import code_dependence, kraskov, own_and_cross_information
from benchmarks.metrics.oracles import ORACLES, baseline_rows, score_oracle
from benchmarks.metrics.scoring import PROTOCOLS, SCORES, score
from benchmarks.metrics.traverse import traverse

__all__ = [
    "DCI",
    "ORACLES",
    "PROTOCOLS",
    "SCORES",
    "baseline_rows",
    "beta_vae_changed",
    "beta_vae_fixed",
    "code_dependence",
    "completeness",
    "cvr",
    "dci",
    "disentanglement",
    "explicitness",
    "factor_vae",
    "kraskov",
    "mapc",
    "mig",
    "modularity",
    "mutual_information",
    "own_and_cross_information",
    "sap",
    "score",
    "score_codes",
    "score_oracle",
    "tdv",
    "traverse",
    "ud90",
]
