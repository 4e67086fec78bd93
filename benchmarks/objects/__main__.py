"""`python -m benchmarks.objects`."""

from benchmarks.objects.run import main

if __name__ == "__main__":
    main()
