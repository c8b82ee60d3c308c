"""``python -m scorecard``."""

from scorecard.cli.main import main

if __name__ == "__main__":
    main()
