"""`python -m benchmarks.maze`."""

from benchmarks.maze.run import main

if __name__ == "__main__":
    main()
