"""``python -m howgreen.cli``."""

from howgreen.cli import main

if __name__ == "__main__":
    main()
