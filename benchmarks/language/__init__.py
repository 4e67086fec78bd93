"""The benchmark language: do more tasks make a sentence's code more syntactic."""

from benchmarks.language.run import main

__all__ = ["main"]
