"""`python -m benchmarks.planar`."""

from benchmarks.planar.run import main

if __name__ == "__main__":
    main()
