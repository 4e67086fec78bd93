"""The benchmark faults: what is lost when a run is killed, stopped, filled up, damaged or spoiled."""

from benchmarks.faults.run import main

__all__ = ["main"]
