"""Looks up band policies, isolated like every plugin's code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import BandPolicy
    from aitk_core.registry import Owned
    from aitk_core.specs import BandPolicySpec


def find_policy(policies: Mapping[str, Owned[BandPolicySpec]], policy_id: str) -> BandPolicy:
    """Return an installed policy.

    Raises:
        NotFoundError: No such policy is installed.
    """
    if policy_id not in policies:
        raise NotFoundError(
            f"no band policy {policy_id!r}",
            remedy=f"installed: {', '.join(policies) or 'none'}",
            policy=policy_id,
        )
    return policies[policy_id].spec.policy.load()()
