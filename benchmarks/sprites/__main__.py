"""`python -m benchmarks.sprites`."""

from benchmarks.sprites.run import main

if __name__ == "__main__":
    main()
