"""`python -m benchmarks.grasp_data`: the data set of the benchmark grasp, made on its own."""

from benchmarks.grasp.generate import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
