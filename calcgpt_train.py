"""The documented command, from a checkout: `python calcgpt_train.py` is `calcgpt train`."""

from __future__ import annotations

import sys

from calcgpt.cli.main import main

if __name__ == "__main__":
    sys.argv.insert(1, "train")
    sys.exit(main())
