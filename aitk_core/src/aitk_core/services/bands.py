"""Looks up band policies, isolated like every plugin's code."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from aitk_core.errors import NotFoundError, ToolFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import BandPolicy
    from aitk_core.registry import Owned
    from aitk_core.specs import BandPolicySpec

logger = logging.getLogger(__name__)


def find_policy(policies: Mapping[str, Owned[BandPolicySpec]], policy_id: str) -> BandPolicy:
    """Return an installed policy.

    Raises:
        NotFoundError: No such policy is installed.
        ToolFailedError: It cannot be loaded.
    """
    if policy_id not in policies:
        raise NotFoundError(
            f"no band policy {policy_id!r}",
            remedy=f"installed: {', '.join(policies) or 'none'}",
            policy=policy_id,
        )
    owned = policies[policy_id]
    try:
        return owned.spec.policy.load()()
    except Exception as error:
        logger.exception("band policy %s (%s)", policy_id, owned.plugin.distribution)
        raise ToolFailedError(
            f"band policy {policy_id!r} of {owned.plugin.distribution} cannot be loaded",
            remedy="name another policy; the server's log has the details",
            policy=policy_id,
        ) from error
