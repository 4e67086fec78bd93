"""Agents: what acts in an environment."""

from agents.factors import Composer, FactorAgent, FactorMPC
from agents.grasp import GraspPlanner
from agents.mpc import LatentMPC

__all__ = ["Composer", "FactorAgent", "FactorMPC", "GraspPlanner", "LatentMPC"]
