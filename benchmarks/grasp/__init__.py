"""The benchmark grasp: grasping objects that were never seen."""

from benchmarks.grasp.run import main

__all__ = ["main"]
