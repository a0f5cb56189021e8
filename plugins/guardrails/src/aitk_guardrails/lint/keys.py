"""What the trainer's key table says of a config, as issues with fixes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys import problems as codes
from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.check import check_config
from aitk_core.configkeys.paths import from_pointer, to_pointer
from aitk_core.configkeys.table import key_table
from aitk_core.configkeys.values import validate_value
from aitk_guardrails.lint.fixes import changed, moved, removed
from aitk_guardrails.lint.issues import Issue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitk_core.configkeys.patch import ConfigPatch
    from aitk_core.configkeys.paths import Keys
    from aitk_core.configkeys.problems import PatchProblem
    from aitk_guardrails.lint.issues import Severity

_NUMBERS: Final[Mapping[str, str]] = {
    "train.batch_size": "BATCH_SIZE",
    "train.steps": "STEPS",
    "train.lr": "LEARNING_RATE",
    "network.linear": "RANK",
    "network.rank": "RANK",
    "network.linear_alpha": "ALPHA",
    "network.alpha": "ALPHA",
}
"""Keys with codes of their own in the contract (SCORING.md, section 9)."""
_RESOLUTION: Final = re.compile(r"datasets\.\d+\.resolution(\.\d+)?")
_WRONG: Final = frozenset({codes.WRONG_TYPE, codes.OUT_OF_RANGE, codes.WRONG_LENGTH})

_SEVERITIES: Final[Mapping[str, Severity]] = {
    codes.ENV_SUBSTITUTION: "error",
    codes.UNSAFE_TEXT: "error",
    codes.WRONG_TYPE: "error",
    codes.OUT_OF_RANGE: "error",
    codes.WRONG_LENGTH: "error",
    codes.REQUIRED_MISSING: "error",
    codes.PATH_INTO_NOTHING: "error",
    "ARCH_UNKNOWN": "error",
    codes.DEPRECATED: "info",
    codes.NOT_COVERED: "info",
}
"""By code, where what the trainer does with it does not decide; a warning where neither does."""

_WHY: Final = {
    "raises": "the trainer stops at the start of the job",
    "ignored": "the trainer ignores it without a message",
    "changed": "the trainer uses another value without a message",
    "unchecked": "the trainer does not check it: the run fails later, or trains otherwise",
}
_RULE_CHANGES: Final[Mapping[str, Mapping[str, Any]]] = {
    "GUIDANCE_LOSS_BYPASSED": {"train.bypass_guidance_embedding": False},
    "TEXT_EMBEDDINGS_CACHED_IN_PART": {"train.cache_text_embeddings": True},
    "TEXT_ENCODER_UNLOADED_FOR_EDIT_MODEL": {"train.unload_text_encoder": False},
    "TWO_PRESERVATIONS": {"train.blank_prompt_preservation": False},
    "OUTPUT_PRESERVATION_UNMET": {"train.diff_output_preservation": False},
    "BLANK_PRESERVATION_WITHOUT_NETWORK": {"train.blank_prompt_preservation": False},
    "TRAINED_TEXT_ENCODER_UNLOADED": {"train.train_text_encoder": False},
    "LOSS_TABLE_SWITCHED_OFF": {"logging.use_wandb": False},
    "BOTH_EXPERTS_OFF": {
        "model.model_kwargs.train_high_noise": True,
        "model.model_kwargs.train_low_noise": True,
    },
}
"""By rule: what the table's own remedy says, where it leaves no choice to the author."""
_CLOSE_CHOICE: Final = 0.6
_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(\.\d{0,15})?([eE][+-]?\d{1,2})?")
_LONGEST_CHOICE: Final = 100
"""Characters; comparing takes time with their square."""
_SYNONYMS: Final[Mapping[str, str]] = {
    "learning_rate": "lr",
    "max_train_steps": "steps",
    "num_steps": "steps",
    "train_batch_size": "batch_size",
    "mixed_precision": "dtype",
    "network_dim": "linear",
    "dim": "linear",
    "network_alpha": "linear_alpha",
    "save_every_n_steps": "save_every",
    "pretrained_model_name_or_path": "name_or_path",
    "model_name_or_path": "name_or_path",
    "caption_extension": "caption_ext",
}
"""Names that other trainers have for a key of the same block."""
_NOTHING: Final = object()


def key_issues(config: Mapping[str, Any]) -> Iterator[Issue]:
    """Yield what the key table and its rules say of a whole config.

    Raises:
        InvalidArgumentsError: The config is no JSON.
        TooLargeError: It is more than a config can be.
    """
    for problem in check_config(config):
        yield _issue(config, problem)


def _issue(config: Mapping[str, Any], problem: PatchProblem) -> Issue:
    keys = from_pointer(problem.pointer)
    why = _WHY[problem.effect]
    remedy = f"; {problem.remedy}" if problem.remedy else ""
    return Issue(
        code=_code(problem, keys),
        severity=_severity(problem, keys),
        message=f"{problem.message}{remedy}",
        path=problem.pointer,
        value=problem.value,
        expected=problem.expected or _synonym(problem, keys),
        why=why,
        source=_source(keys),
        fix=_fix(config, problem, keys),
    )


def _code(problem: PatchProblem, keys: Keys) -> str:
    path = ".".join(keys[3:])
    if problem.code == codes.REQUIRED_MISSING and path == "model.name_or_path":
        return "MISSING_MODEL_NAME"
    if _RESOLUTION.fullmatch(path) and problem.code in (*_WRONG, codes.NULL_REPLACES_DEFAULT):
        return "INVALID_RESOLUTION"
    name = _NUMBERS.get(path)
    if name is None:
        return problem.code
    if problem.code in _WRONG:
        return f"INVALID_{name}"
    if problem.code == codes.NULL_REPLACES_DEFAULT:
        return "INVALID_ALPHA" if name == "ALPHA" else f"MISSING_{name}"
    return problem.code


def _severity(problem: PatchProblem, keys: Keys) -> Severity:
    if problem.effect == "raises" or _code(problem, keys).startswith(("INVALID_", "MISSING_")):
        return "error"
    if problem.code == codes.NOT_A_CHOICE and problem.effect == "unchecked":
        return "error"
    return _SEVERITIES.get(problem.code, "warning")


def _source(keys: Keys) -> str:
    table = key_table()
    for end in range(len(keys), 0, -1):
        found = table.find_keys(keys[:end]) or table.section_at(keys[:end])
        if found is not None:
            return f"{table.source_version}: {found.source}"
    return f"{table.source_version}: toolkit/config.py"


def _fix(config: Mapping[str, Any], problem: PatchProblem, keys: Keys) -> ConfigPatch | None:
    value = _at(config, keys)
    if problem.code in _RULE_CHANGES:
        prefix = ".".join(keys[:3])
        changes = {f"{prefix}.{key}": new for key, new in _RULE_CHANGES[problem.code].items()}
        return changed(config, changes)
    maker = _MAKERS.get(problem.code)
    return None if value is _NOTHING or maker is None else maker(config, problem, keys, value)


def _synonym(problem: PatchProblem, keys: Keys) -> list[str] | None:
    name = _SYNONYMS.get(keys[-1]) if problem.code == codes.UNKNOWN_KEY else None
    known = name is not None and key_table().find_keys((*keys[:-1], name)) is not None
    return [name] if known and name is not None else None


def _renamed(
    config: Mapping[str, Any], problem: PatchProblem, keys: Keys, value: Any
) -> ConfigPatch | None:
    near = key_table().nearest_keys(keys) or tuple(_synonym(problem, keys) or ())
    for name in near:
        target = (*keys[:-1], name)
        if _at(config, target) is _NOTHING and _fits(target, value):
            return moved(config, problem.pointer, to_pointer(target), value)
    places = key_table().elsewhere(keys[-1])
    if near or len(places) != 1:
        return None
    # Written in another block than the one that has the key.
    target = tuple(places[0].replace("process[]", f"process.{keys[2:3] and keys[2]}").split("."))
    inside = "[]" not in places[0].replace("process[]", "")
    if inside and _at(config, target) is _NOTHING and _fits(target, value):
        return moved(config, problem.pointer, to_pointer(target), value)
    return None


def _fits(keys: Keys, value: Any) -> bool:
    key = key_table().find_keys(keys)
    return key is not None and not validate_value(key, value)


def _converted(
    config: Mapping[str, Any], _problem: PatchProblem, keys: Keys, value: Any
) -> ConfigPatch | None:
    for new in _other_types(value):
        if _fits(keys, new):
            return changed(config, {".".join(keys): new})
    # An item of a list is judged with its list.
    return None


def _other_types(value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        bare = value.strip()
        words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
        if bare.lower() in words:
            yield words[bare.lower()]
        for kind in (int, float):
            # Python reads words such as nan, and digits with underscores.
            if _NUMBER.fullmatch(bare):
                try:
                    yield kind(bare)
                except ValueError:
                    continue
        yield [value]
    elif isinstance(value, list) and len(value) == 1:
        yield value[0]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
        yield [value]


def _nearest_choice(
    config: Mapping[str, Any], problem: PatchProblem, keys: Keys, value: Any
) -> ConfigPatch | None:
    choices = problem.expected if isinstance(problem.expected, list) else []
    if problem.code == "ARCH_UNKNOWN":
        choices = [*archs(), *key_table().archs]
    words = {each.lower(): each for each in choices if isinstance(each, str)}
    text = str(value).lower()
    near = (
        get_close_matches(text, words, n=1, cutoff=_CLOSE_CHOICE)
        if len(text) <= _LONGEST_CHOICE
        else []
    )
    return changed(config, {".".join(keys): words[near[0]]}) if near else None


def _modern(
    config: Mapping[str, Any], _problem: PatchProblem, keys: Keys, value: Any
) -> ConfigPatch | None:
    block, name = ".".join(keys[:-1]), keys[-1]
    pointer = to_pointer(keys)
    taken_out = removed(config, pointer, value)
    new: ConfigPatch | None = None
    if name.startswith("is_") and _at(config, (*keys[:-1], "arch")) is _NOTHING:
        arch = {"is_v2": "sd2", "is_xl": "sdxl", "is_v3": "sd3"}.get(name, name[3:])
        new = changed(config, {f"{block}.arch": arch})
    elif name == "prompts" and isinstance(value, list):
        if _at(config, (*keys[:-1], "samples")) is _NOTHING:
            new = changed(config, {f"{block}.samples": [{"prompt": each} for each in value]})
    elif name == "auto_memory" and _at(config, (*keys[:-1], "layer_offloading")) is _NOTHING:
        return moved(config, pointer, to_pointer((*keys[:-1], "layer_offloading")), value)
    elif name == "rank":
        # It wins over linear, so its value is the one in force.
        new = changed(config, {f"{block}.linear": value})
    if taken_out is None or not (name.startswith("is_") or new):
        return None
    operations = (*(new.operations if new else ()), *taken_out.operations)
    return type(taken_out)(operations=operations)


def _taken_out(
    config: Mapping[str, Any], problem: PatchProblem, keys: Keys, value: Any
) -> ConfigPatch | None:
    # Without these numbers a config is no better: only its author can choose them.
    if value is None and ".".join(keys[3:]) in _NUMBERS:
        return None
    return removed(config, problem.pointer, value)


_MAKERS: Final[
    Mapping[str, Callable[[Mapping[str, Any], PatchProblem, Keys, Any], ConfigPatch | None]]
] = {
    codes.UNKNOWN_KEY: _renamed,
    codes.WRONG_TYPE: _converted,
    codes.NOT_A_CHOICE: _nearest_choice,
    "ARCH_UNKNOWN": _nearest_choice,
    codes.DEPRECATED: _modern,
    codes.NULL_REPLACES_DEFAULT: _taken_out,
    codes.NO_EFFECT: _taken_out,
    "GRADIENT_ACCUMULATION_TWICE": _taken_out,
    "DATASET_POI_REMOVED": _taken_out,
    "FLUX_ONLY_KEY": _taken_out,
    "NOT_READ_BY_ARCH": _taken_out,
    "LATENT_CACHE_SWITCHED_OFF": _taken_out,
}


def _at(config: Mapping[str, Any], keys: Keys) -> Any:
    value: Any = config
    for key in keys:
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _NOTHING
    return value
