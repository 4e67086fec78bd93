"""`python -m benchmarks.faces`."""

from benchmarks.faces.run import main

if __name__ == "__main__":
    main()
