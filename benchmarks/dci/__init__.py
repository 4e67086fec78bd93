"""The benchmark dci: what one code dimension knows of one factor, also of unseen combinations."""

from benchmarks.dci.run import main

__all__ = ["main"]
