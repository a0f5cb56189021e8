"""Argument records."""

from __future__ import annotations

from attrs import frozen

from aitk_core.arguments import arg


@frozen(kw_only=True)
class Sampling:
    """Arguments of `test_sampling`."""

    prompt: str = arg(description="What the client's model is to complete.")


@frozen(kw_only=True)
class Elicitation:
    """Arguments of `test_elicitation`."""

    message: str = arg(description="What the person is asked.")
