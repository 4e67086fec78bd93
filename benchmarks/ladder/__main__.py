"""`python -m benchmarks.ladder`."""

from benchmarks.ladder.run import main

if __name__ == "__main__":
    main()
