"""The benchmark beta_sweep: what a weight on the KL term does to a code."""

from benchmarks.beta_sweep.run import main

__all__ = ["main"]
