"""`python -m benchmarks.beta_sweep`."""

from benchmarks.beta_sweep.run import main

if __name__ == "__main__":
    main()
