"""`python -m smislib` is the `smis` command."""

from .cli import main

if __name__ == "__main__":
    main()
