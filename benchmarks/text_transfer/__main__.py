"""`python -m benchmarks.text_transfer`."""

from benchmarks.text_transfer.run import main

if __name__ == "__main__":
    main()
