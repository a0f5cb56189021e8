"""Changes that pages offer: the tool behind each, and the question that comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from aitk_core.records.results import JsonObject

REPAIRS: Final[Mapping[str, str]] = {
    "quarantine_corrupt": "broken pictures out",
    "quarantine_duplicates": "equal copies out, but one",
    "near_duplicates": "with equal copies, near ones as well",
    "apply_rotation": "turn what is marked as turned",
    "convert_formats": "16 bits, CMYK and palettes to RGB",
    "fill_missing_captions": "write captions that are missing",
    "fill_empty_captions": "write captions that are empty",
    "reencode_captions": "captions as UTF-8",
}
"""What a repair may do: arguments of auto-improve-dataset, in a person's words."""
USUAL: Final = ("quarantine_corrupt", "quarantine_duplicates", "apply_rotation")
"""What is proposed before anybody chose: nothing of it makes up text or guesses."""


@frozen(kw_only=True)
class Action:
    """Something that can be asked for."""

    tool: str
    argument: str
    """Of the tool, which the form's `subject` is for."""
    question: str
    verb: str
    detail: str = ""
    """Argument that the form's `detail` is for."""
    fixed: Mapping[str, Any] = field(factory=dict)
    """Further arguments."""
    switches: tuple[str, ...] = ()
    """Arguments that are true where the form's `chosen` names them."""
    shows_answer: bool = False
    """What the tool says is worth a page; else the page before is shown again."""

    def arguments(self, subject: str, detail: str, chosen: str) -> JsonObject:
        """Return what the tool is called with.

        Args:
            subject: What it is done to.
            detail: How it is told from others of its kind; heeded where the action has it.
            chosen: Names of switches, joined by commas; others are not heeded.
        """
        names = chosen.split(",")
        arguments = {self.argument: subject, **self.fixed}
        arguments |= {switch: switch in names for switch in self.switches}
        return arguments | ({self.detail: detail} if self.detail else {})


ACTIONS: Final[Mapping[str, Action]] = {
    "stop": Action(
        tool="stop-training",
        argument="job_id",
        question="Stop this run now? What was trained since its last save is lost.",
        verb="Stop at once",
    ),
    "save-and-stop": Action(
        tool="stop-training",
        argument="job_id",
        fixed={"save_first": True},
        question="Save a checkpoint, then stop this run? It can go on from there later.",
        verb="Save and stop",
    ),
    "unqueue": Action(
        tool="stop-training",
        argument="job_id",
        question="Take this run out of its queue?",
        verb="Take it out of the queue",
    ),
    "start": Action(
        tool="start-training",
        argument="job_id",
        fixed={"resume": True},
        question="Start this run again? It goes on from its newest checkpoint, or from step 0 "
        "where it saved none.",
        verb="Start it again",
    ),
    "watch": Action(
        tool="guard-training-job",
        argument="job_id",
        question="Watch this run until it ends? Its rules may stop it if it breaks.",
        verb="Watch the run",
    ),
    "end-watch": Action(
        tool="end-watch",
        argument="watch_id",
        question="End this watch? The run goes on unwatched.",
        verb="End the watch",
    ),
    "export": Action(
        tool="export-model",
        argument="job_id",
        detail="checkpoint",
        fixed={"copy_to": "exports"},
        question="Check every value of this checkpoint, and copy it with its metadata to the "
        "folder of exports?",
        verb="Export",
        shows_answer=True,
    ),
    "repair": Action(
        tool="auto-improve-dataset",
        argument="dataset_path",
        detail="plan_hash",
        fixed={"apply": True},
        switches=tuple(REPAIRS),
        question="Repair this dataset as planned? It can be taken back.",
        verb="Repair the dataset",
    ),
    "undo": Action(
        tool="auto-improve-dataset",
        argument="dataset_path",
        detail="undo",
        question="Take this repair back? The files become what they were.",
        verb="Take it back",
    ),
}


@frozen(kw_only=True)
class Offer:
    """An action with what it is for."""

    name: str
    subject: str
    label: str
    """What a person calls the subject."""
    detail: str = ""
    chosen: str = ""

    @property
    def action(self) -> Action:
        """Return what is offered."""
        return ACTIONS[self.name]
