"""`python -m benchmarks.policies`."""

from benchmarks.policies.run import main

if __name__ == "__main__":
    main()
