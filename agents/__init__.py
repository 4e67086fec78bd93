"""Agents: what acts in an environment."""

from agents.grasp import GraspPlanner
from agents.mpc import LatentMPC

__all__ = ["GraspPlanner", "LatentMPC"]
