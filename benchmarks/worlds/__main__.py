"""`python -m benchmarks.worlds`."""

from benchmarks.worlds.run import main

if __name__ == "__main__":
    main()
