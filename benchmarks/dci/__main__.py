"""`python -m benchmarks.dci`."""

from benchmarks.dci.run import main

if __name__ == "__main__":
    main()
