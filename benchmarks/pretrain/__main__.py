"""`python -m benchmarks.pretrain`."""

from benchmarks.pretrain.run import main

if __name__ == "__main__":
    main()
