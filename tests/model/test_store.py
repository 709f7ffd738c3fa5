"""The one import for model folders: complete, and light."""

from __future__ import annotations

import os
import subprocess
import sys

from calcgpt.model import store


def test_every_name_is_there() -> None:
    assert store.__all__ == sorted(store.__all__)
    assert all(callable(getattr(store, name)) for name in store.__all__)


def test_listing_models_needs_no_torch() -> None:
    code = "import sys; from calcgpt.model.store import list_models; list_models('.'); "
    code += "print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
