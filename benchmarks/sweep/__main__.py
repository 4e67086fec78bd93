"""`python -m benchmarks.sweep`."""

from benchmarks.sweep.run import main

if __name__ == "__main__":
    main()
