"""Agents: what acts in an environment."""

from agents.mpc import LatentMPC

__all__ = ["LatentMPC"]
