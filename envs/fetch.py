"""`python -m envs.fetch`: published data sets, through the package managers that this machine has."""

from envs.files.fetch import fetch, main

__all__ = ["fetch", "main"]

if __name__ == "__main__":
    main()
