"""`python -m benchmarks.video`."""

from benchmarks.video.run import main

if __name__ == "__main__":
    main()
