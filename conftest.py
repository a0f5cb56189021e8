"""Hypothesis without wall-clock limits, and asserts of shared modules told in full."""

import os

import pytest
from hypothesis import settings

# Before any test imports it: pytest explains a failed assert only in what it loads itself.
pytest.register_assert_rewrite("support")

# A busy machine is no fault of the code.
settings.register_profile("steady", deadline=None)
if not os.environ.get("CI"):
    # In CI hypothesis loads a profile of its own: no limits either, and the same examples
    # every time.
    settings.load_profile("steady")
