"""The benchmark planar: from pixels to the goal, with and without actions in the data."""

from benchmarks.planar.run import main

__all__ = ["main"]
