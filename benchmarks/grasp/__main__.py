"""`python -m benchmarks.grasp`."""

from benchmarks.grasp.run import main

if __name__ == "__main__":
    main()
