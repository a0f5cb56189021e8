"""Which step checkpoints a run leaves behind."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Retention:
    """The step saves of a whole run; the final weights come on top and always stay."""

    kept: tuple[int, ...]
    """Steps whose checkpoints survive, ascending."""
    deleted_count: int
    """Step checkpoints written and then pruned."""


def retention(*, steps: int, save_every: int, keep: int) -> Retention:
    """Return what is left after `steps` steps from a fresh start.

    Saves fall on multiples of `save_every` of the 0-based step index, never on the first step
    and never on the last count; pruning keeps the newest `keep` (BaseSDTrainProcess.py,
    `clean_up_saves`). Two-expert models double the files, not the steps.

    Args:
        steps: Total optimizer steps.
        save_every: Steps between saves; 0 or less is no step save at all.
        keep: Newest step saves kept; 0 or less keeps all.
    """
    if save_every <= 0 or steps <= 0:
        return Retention(kept=(), deleted_count=0)
    written = range(save_every, steps, save_every)
    kept = written[-keep:] if keep > 0 else written
    return Retention(kept=tuple(kept), deleted_count=len(written) - len(kept))
