"""The benchmark ladder: does a code whose axes are the factors help an agent, if it tells the agent nothing more."""

from benchmarks.ladder.run import main

__all__ = ["main"]
