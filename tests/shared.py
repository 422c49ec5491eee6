"""The folder of real sound beside the checkout; tests that read it skip where it is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="real sound (../shared) is not beside this checkout")
