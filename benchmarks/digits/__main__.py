"""`python -m benchmarks.digits`."""

from benchmarks.digits.run import main

if __name__ == "__main__":
    main()
