"""Drawn faces of known identity, attributes and circumstances."""

from envs.faces.world import ATTRIBUTES, IDENTITY, NUISANCE, Faces

__all__ = ["ATTRIBUTES", "IDENTITY", "NUISANCE", "Faces"]
