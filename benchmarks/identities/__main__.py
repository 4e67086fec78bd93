"""`python -m benchmarks.identities`."""

from benchmarks.identities.run import main

if __name__ == "__main__":
    main()
