"""`python -m benchmarks.language`."""

from benchmarks.language.run import main

if __name__ == "__main__":
    main()
