"""The benchmark digits: what labels of digits, few or many, do for a code."""

from benchmarks.digits.run import main

__all__ = ["main"]
