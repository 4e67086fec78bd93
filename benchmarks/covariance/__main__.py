"""`python -m benchmarks.covariance`."""

from benchmarks.covariance.run import main

if __name__ == "__main__":
    main()
