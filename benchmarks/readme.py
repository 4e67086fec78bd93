"""`python -m benchmarks.readme`: the tables of the benchmarks' pages, made anew from what they keep in `results/`."""

from benchmarks.harness.pages import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
