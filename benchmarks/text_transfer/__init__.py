"""The benchmark text_transfer: can a sentence say the same with another sentiment."""

from benchmarks.text_transfer.run import main

__all__ = ["main"]
