"""What a model's header and its run say, put together for the file beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aitk_core.convert import unstructure
from aitk_core.weights.recognition import recognise
from aitk_core.weights.training import training_facts

if TYPE_CHECKING:
    from aitk_core.evidence.checkpoints import Artifact
    from aitk_export.checks.verify import Verified
    from aitk_export.choice.choose import Chosen
    from aitk_export.exporting.about import About

VERSION: Final = 1


def sidecar(
    about: About, verified: Verified, artifact: Artifact, chosen: Chosen, now: float
) -> dict[str, Any]:
    """Return the metadata file of a copy.

    `activation text` and `notes` are the keys by which stable-diffusion-webui and its
    descendants fill in a LoRA's trigger word (extensions-builtin/Lora of AUTOMATIC1111's).
    """
    header, numbers = verified.header, verified.numbers
    facts = training_facts(header.metadata)
    found = recognise(header)
    alphas = {} if numbers is None else numbers.alphas
    made = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "aitk_model": VERSION,
        "exported_at": made,
        "file": {
            "name": artifact.name,
            "size_bytes": header.size_bytes,
            "sha256": verified.sha256,
            "tensors": len(header.tensors),
            "parameters": header.parameters,
            "dtypes": header.dtypes,
            "kind": found.kind,
            "base": found.label,
            "rank": None if found.network is None else found.network.rank,
            "alpha": next(iter(alphas)) if len(alphas) == 1 else None,
            "verdict": verified.verdict,
        },
        "checkpoint": {
            "asked": chosen.asked,
            "step": chosen.step if chosen.step is not None else facts.step,
            "epoch": facts.epoch,
            "reason": chosen.reason,
            "as_good": [] if chosen.evidence is None else list(chosen.evidence.as_good),
            "method": None if chosen.evidence is None else chosen.evidence.method,
        },
        "base_model": about.base_model,
        "arch": about.arch,
        "trigger_word": about.trigger_word,
        "activation text": about.trigger_word or "",
        "run": about.run,
        "score": about.score,
        "score_note": about.score_note,
        "datasets": [unstructure(each) for each in about.datasets],
        "config": about.config,
    }
