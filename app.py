"""The key: ``python app.py`` serves the scorecard at http://127.0.0.1:8050."""

import sys

from scorecard.cli.demo import serve_demo

if __name__ == "__main__":
    sys.exit(serve_demo())
