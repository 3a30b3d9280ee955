"""``python -m mcflow``: the same as the command ``mcflow``."""

from mcflow.cli import main

if __name__ == "__main__":
    main()
