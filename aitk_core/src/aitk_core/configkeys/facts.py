"""Facts of the trainer that more than one room needs."""

from __future__ import annotations

from typing import Final

FLOW_SCHEDULERS: Final = frozenset({"flowmatch", "custom_lumina2", "mean_flow"})
"""Values of `train.noise_scheduler` that predict a velocity, not noise (backend/API.md 14.2)."""


def trainer_arch(arch: str) -> str:
    """Return the architecture that the trainer makes of `model.arch`.

    It drops the form's tag after a colon, and `flex1` is its `flux` (ModelConfig in
    toolkit/config_modules.py).
    """
    bare = arch.partition(":")[0]
    return "flux" if bare == "flex1" else bare
