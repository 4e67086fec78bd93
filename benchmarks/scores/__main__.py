"""`python -m benchmarks.scores`."""

from benchmarks.scores.run import main

if __name__ == "__main__":
    main()
