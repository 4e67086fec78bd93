"""The benchmark sweep: which settings of a benchmark score best."""

from benchmarks.sweep.run import main

__all__ = ["main"]
