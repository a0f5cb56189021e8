"""Makes a process fit into the memory of a GPU, from the cheapest change to the dearest."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.configkeys.form import put
from aitk_guardrails.lint.sources import SIMPLETUNER, trainer
from aitk_guardrails.plan.records import Reason
from aitk_guardrails.vram.estimate import calibrate, estimate_settings, fits
from aitk_guardrails.vram.records import Fit, VramEstimate
from aitk_guardrails.vram.settings import settings_of_process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from aitk_core.configkeys.archs import Arch
    from aitk_guardrails.vram.records import Observation

_ORDER: Final = f"{SIMPLETUNER}; {trainer('config/examples')}; the order is ours"
_HEADROOM: Final = 0.9
"""Share of the memory that an estimate may reach to be taken for likely to fit; ours."""
_UNQUANTIZED: Final = frozenset({"sd15", "sdxl"})
"""For which the form does not offer quantization."""


@frozen(kw_only=True)
class Fitted:
    """A process and what it needs."""

    process: dict[str, Any]
    estimate: VramEstimate
    fit: Fit
    reasons: tuple[Reason, ...]


def fitted(
    process: dict[str, Any],
    arch: Arch,
    available_gib: float | None,
    past: Sequence[Observation],
) -> Fitted:
    """Return the process with the fewest changes that let it fit.

    Changes that cost little come first: the first that surely fits is taken, else all of them
    where the estimate fits. Then those that cost quality or much time, one after the other until
    the estimate fits. Without a known memory or a known size nothing is changed.

    Args:
        process: As the form makes it, not changed itself.
        arch: Its architecture.
        available_gib: Of the GPU; None where it is not known.
        past: What runs of this machine used.
    """
    first = _look(process, available_gib, past, ())
    if available_gib is None:
        return first
    cheap = [first, *_tries(first, _cheap(arch), available_gib, past)]
    sure = next((each for each in cheap if each.fit.verdict == "yes"), None)
    if sure is not None:
        return sure
    least = cheap[-1]
    if least.estimate.estimate_gib is None:
        return first
    if _is_likely(least, available_gib):
        return least
    dear = [least, *_tries(least, _dear(arch), available_gib, past)]
    return next((each for each in dear if _is_likely(each, available_gib)), dear[-1])


_Change = tuple[str, "Callable[[dict[str, Any]], bool]", str]


def _tries(
    start: Fitted, changes: Iterator[_Change], available: float, past: Sequence[Observation]
) -> Iterator[Fitted]:
    process, reasons = deepcopy(start.process), start.reasons
    for parameter, change, why in changes:
        if not change(process):
            continue
        value = _value(process, parameter)
        reasons = (
            *(each for each in reasons if each.parameter != parameter),
            Reason(parameter=parameter, value=value, why=why, source=_ORDER, basis="published"),
        )
        yield _look(process, available, past, reasons)


def _cheap(arch: Arch) -> Iterator[_Change]:
    yield (
        "datasets.0.cache_latents_to_disk",
        _set("datasets.0.cache_latents_to_disk", value=True),
        "pictures are encoded once, so the VAE is away while training",
    )
    if "model.low_vram" in arch.sections or arch.trainer_arch == "flux":
        yield (
            "model.low_vram",
            _set("model.low_vram", value=True),
            "the model is quantized in pieces, and is never on the GPU in full size",
        )
    yield (
        "train.cache_text_embeddings",
        _cache_captions,
        (
            "captions are encoded once, so the text encoder is away while training; captions are "
            "then never dropped"
        ),
    )
    if arch.id not in _UNQUANTIZED:
        yield (
            "model.quantize",
            _quantize,
            "weights in 8 bits take half the memory",
        )


def _dear(arch: Arch) -> Iterator[_Change]:
    for _ in range(3):
        yield (
            "datasets.0.resolution",
            _smaller,
            "the largest size is left out: what a step keeps grows with the pixels",
        )
    if "model.layer_offloading" in arch.sections:
        yield (
            "model.layer_offloading",
            _offload,
            "layers wait in host memory and are moved for each step, which takes much longer",
        )


def _look(
    process: dict[str, Any],
    available: float | None,
    past: Sequence[Observation],
    reasons: tuple[Reason, ...],
) -> Fitted:
    estimate = calibrate(estimate_settings(settings_of_process(process)), past)
    return Fitted(
        process=deepcopy(process),
        estimate=estimate,
        fit=fits(estimate, available),
        reasons=reasons,
    )


def _is_likely(tried: Fitted, available: float) -> bool:
    value = tried.estimate.estimate_gib
    return value is not None and value <= _HEADROOM * available


def _set(path: str, *, value: Any) -> Callable[[dict[str, Any]], bool]:
    def change(process: dict[str, Any]) -> bool:
        if _value(process, path) == value:
            return False
        if path.startswith("datasets.0."):
            process["datasets"][0][path.removeprefix("datasets.0.")] = value
        else:
            put(process, path, value)
        return True

    return change


def _cache_captions(process: dict[str, Any]) -> bool:
    if _value(process, "train.cache_text_embeddings") is True:
        return False
    put(process, "train.cache_text_embeddings", value=True)
    put(process, "train.unload_text_encoder", value=False)
    process["datasets"][0]["caption_dropout_rate"] = 0
    return True


def _quantize(process: dict[str, Any]) -> bool:
    if _value(process, "model.quantize"):
        return False
    for key, value in (
        ("model.quantize", True),
        ("model.quantize_te", True),
        ("model.qtype", "qfloat8"),
        ("model.qtype_te", "qfloat8"),
    ):
        put(process, key, value)
    return True


def _offload(process: dict[str, Any]) -> bool:
    if _value(process, "model.layer_offloading"):
        return False
    put(process, "model.layer_offloading", value=True)
    # The trainer would change it itself, without a message (ModelConfig).
    for key in ("model.qtype", "model.qtype_te"):
        if _value(process, key) == "qfloat8":
            put(process, key, "float8")
    return True


def _smaller(process: dict[str, Any]) -> bool:
    sides = process["datasets"][0]["resolution"]
    if not isinstance(sides, list) or len(sides) < 2:  # noqa: PLR2004
        return False
    process["datasets"][0]["resolution"] = sides[:-1]
    return True


def _value(process: dict[str, Any], path: str) -> Any:
    value: Any = process
    for key in path.split("."):
        if isinstance(value, list):
            value = value[int(key)]
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value
