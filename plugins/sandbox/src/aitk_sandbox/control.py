"""What reaches a running trainer from outside, and the row it reports to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from aitk_sandbox.state import State


class LeaveRunError(Exception):
    """The row asks the trainer to leave; it does so by failing, as the real one."""


class InterruptedRunError(Exception):
    """The trainer was sent SIGINT."""


class JobRow:
    """The trainer's own row; without a job id, or once the row is deleted, nothing happens."""

    def __init__(self, state: State | None, job_id: str | None) -> None:
        """Write to the row of a job, or to nothing."""
        self._state = state
        self._job_id = job_id

    def write(self, **values: Any) -> None:
        """Change columns; `updated_at` stays, as the real trainer leaves it."""
        if self._state is not None and self._job_id is not None:
            self._state.update_job(self._job_id, touch=False, **values)

    def read(self) -> Mapping[str, Any]:
        """Return the row, empty if there is none."""
        if self._state is None or self._job_id is None:
            return {}
        return self._state.job(self._job_id) or {}


class Control:
    """What reaches a running trainer from outside: SIGINT, and the flags of its row."""

    def __init__(self, row: JobRow, interrupted: threading.Event) -> None:
        """Watch a row, and an event that SIGINT sets."""
        self.row = row
        self.saved_step = 0
        self._interrupted = interrupted

    def wait(self, delay_s: float) -> None:
        """Pause, but not longer than until SIGINT."""
        if delay_s > 0:
            self._interrupted.wait(delay_s)

    def check_interrupt(self) -> None:
        """Leave the run if SIGINT came.

        Raises:
            InterruptedRunError: It came.
        """
        if self._interrupted.is_set():
            raise InterruptedRunError

    def requests(self) -> Mapping[str, Any]:
        """Return the row after a step, unless it asks to leave.

        Raises:
            InterruptedRunError: SIGINT came.
            LeaveRunError: `stop` or `return_to_queue` is set.
        """
        row = self.row.read()
        # The server signals before it writes the row, so a flag seen here without the signal
        # was set by somebody who sent none.
        self.check_interrupt()
        if row.get("return_to_queue"):
            self.row.write(status="queued", info="Job queued", step=self.saved_step)
            raise LeaveRunError("Job returning to queue")
        if row.get("stop"):
            self.row.write(status="stopped", info="Job stopped", step=self.saved_step)
            raise LeaveRunError("Job stopped")
        return row
