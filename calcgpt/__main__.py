"""`python -m calcgpt` is the command `calcgpt`."""

from __future__ import annotations

import sys

from calcgpt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
