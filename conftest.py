"""Hypothesis without wall-clock limits: a busy machine is no fault of the code."""

import os

from hypothesis import settings

settings.register_profile("steady", deadline=None)
if not os.environ.get("CI"):
    # In CI hypothesis loads a profile of its own: no limits either, and the same examples
    # every time.
    settings.load_profile("steady")
