"""The benchmark covariance: does a penalty on a layer's covariance find the data's dimensions."""

from benchmarks.covariance.run import main

__all__ = ["main"]
