"""`python -m benchmarks.readme`: the generated parts of every README.md, made anew from `results/` and the registries."""

from benchmarks.harness.pages import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
