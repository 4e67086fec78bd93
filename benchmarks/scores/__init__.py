"""The benchmark scores: what every score gives to codes that theory knows."""

from benchmarks.scores.run import main

__all__ = ["main"]
