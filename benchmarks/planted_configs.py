"""Sound configs with one mistake planted in each, and where it is.

A mistake is known by where it was made, never by what the lint calls it: the answer counts as found
when an error or a warning points at the place, at what holds it, or at what its kind names besides.
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.configkeys.archs import archs
from aitk_core.configkeys.paths import to_pointer
from aitk_core.configkeys.table import key_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitk_core.configkeys.paths import Keys

_PROCESS: Final = ("config", "process", "0")


@frozen(kw_only=True)
class Planted:
    """A config with one mistake."""

    kind: str
    config: Mapping[str, Any]
    places: tuple[str, ...]
    """JSON Pointers of which one must be named."""
    what: str
    """For a person who looks at a miss."""


class Planter:
    """Plants mistakes into configs, the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        """Begin a sequence of mistakes."""
        self._random = random.Random(seed)  # noqa: S311 - a repeatable sequence, no secret

    def plant(self, kind: str, config: Mapping[str, Any]) -> Planted | None:
        """Return a copy with a mistake of a kind; None where the config has no place for it."""
        copy: dict[str, Any] = deepcopy(dict(config))
        made = KINDS[kind](self._random, copy)
        if made is None:
            return None
        places, what = made
        pointers = tuple(to_pointer(each) for each in places)
        return Planted(kind=kind, config=copy, places=pointers, what=what)


Made = tuple[tuple["Keys", ...], str]


def _leaves(value: Any, keys: Keys = ()) -> list[tuple[Keys, Any]]:
    if isinstance(value, dict) and value:
        return [each for key, below in value.items() for each in _leaves(below, (*keys, key))]
    if isinstance(value, list) and any(isinstance(each, dict) for each in value):
        return [
            each
            for index, below in enumerate(value)
            for each in _leaves(below, (*keys, str(index)))
        ]
    return [(keys, value)]


def _known(config: dict[str, Any]) -> list[tuple[Keys, Any]]:
    table = key_table()
    return [
        (keys, value)
        for keys, value in _leaves(config)
        if keys[:3] == _PROCESS and len(keys) > len(_PROCESS) + 1 and table.find_keys(keys)
    ]


def _block(config: Any, keys: Keys) -> Any:
    for key in keys:
        config = config[int(key)] if isinstance(config, list) else config[key]
    return config


def _misspelt(name: str, dice: random.Random) -> str:
    place = dice.randrange(len(name))
    kind = dice.choice(("drop", "double", "swap", "other"))
    if kind == "drop" and len(name) > 2:
        return name[:place] + name[place + 1 :]
    if kind == "double":
        return name[:place] + name[place] + name[place:]
    if kind == "swap" and place + 1 < len(name):
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    return name[:place] + dice.choice(string.ascii_lowercase) + name[place + 1 :]


def _misspelt_key(dice: random.Random, config: dict[str, Any]) -> Made | None:
    table = key_table()
    for keys, value in _shuffled(_known(config), dice):
        new = _misspelt(keys[-1], dice)
        target = (*keys[:-1], new)
        section = table.section_at(keys[:-1])
        judged = section is not None and section.unknown_keys == "ignored"
        if judged and new and table.find_keys(target) is None:
            block = _block(config, keys[:-1])
            del block[keys[-1]]
            block[new] = value
            return (target,), f"{'.'.join(keys[3:])} written {new}"
    return None


def _wrong_block(dice: random.Random, config: dict[str, Any]) -> Made | None:
    table = key_table()
    process = _block(config, _PROCESS)
    for keys, value in _shuffled(_known(config), dice):
        others = [
            name for name in ("train", "model", "network", "save", "sample") if name in process
        ]
        other = dice.choice(others)
        target = (*_PROCESS, other, keys[-1])
        if len(keys) == 5 and table.find_keys(target) is None and isinstance(process[other], dict):
            del _block(config, keys[:-1])[keys[-1]]
            process[other][keys[-1]] = value
            return (target,), f"{'.'.join(keys[3:])} in {other}"
    return None


def _wrong_type(dice: random.Random, config: dict[str, Any]) -> Made | None:
    for keys, value in _shuffled(_known(config), dice):
        key = key_table().find_keys(keys)
        if key is None or value is None:
            continue
        wrong: dict[str, Any] = {
            "string": "not a value of it",
            "object": {"value": value},
            "boolean": True,
            "array": [value],
            "number": 1.5,
        }
        taken = {"integer": {"integer"}, "number": {"number", "integer"}}
        kinds = set(key.types) | set().union(*(taken.get(each, set()) for each in key.types))
        free = [each for each in wrong if each not in kinds]
        if free:
            kind = dice.choice(free)
            _block(config, keys[:-1])[keys[-1]] = wrong[kind]
            return (keys,), f"{'.'.join(keys[3:])} as {kind}"
    return None


def _wrong_choice(dice: random.Random, config: dict[str, Any]) -> Made | None:
    for keys, value in _shuffled(_known(config), dice):
        key = key_table().find_keys(keys)
        if key is None or not key.choices or key.open_choices or not isinstance(value, str):
            continue
        new = _misspelt(value, dice) if len(value) > 2 else "zz"
        if new.lower() in {str(each).lower() for each in key.choices} or (
            key.choice_prefixes and new.lower().startswith(key.choice_prefixes)
        ):
            continue
        if "|" in value and new.partition("|")[0] == value.partition("|")[0]:
            continue
        _block(config, keys[:-1])[keys[-1]] = new
        return (keys,), f"{'.'.join(keys[3:])} = {new}"
    return None


def _wrong_arch(dice: random.Random, config: dict[str, Any]) -> Made | None:
    model = _block(config, _PROCESS).get("model")
    if not isinstance(model, dict):
        return None
    table = archs()
    bare = str(model.get("arch", "")).partition(":")[0]
    own = {each.trainer_arch for each in table.values() if bare in (each.trainer_arch, each.id)}
    others = [each for each in table.values() if each.trainer_arch not in own]
    if not own:
        return None
    model["arch"] = dice.choice(others).id
    return ((*_PROCESS, "model", "arch"), (*_PROCESS, "model", "name_or_path")), model["arch"]


def _wrong_model(dice: random.Random, config: dict[str, Any]) -> Made | None:
    model = _block(config, _PROCESS).get("model")
    if not isinstance(model, dict) or model.get("arch") is None:
        return None
    bare = str(model["arch"]).partition(":")[0]
    table = archs()
    own = {each.trainer_arch for each in table.values() if bare in (each.trainer_arch, each.id)}
    paths = {each.default_name_or_path for each in table.values() if each.trainer_arch in own}
    others = sorted(
        each.default_name_or_path
        for each in table.values()
        if each.trainer_arch not in own and each.default_name_or_path not in paths
    )
    model["name_or_path"] = dice.choice(others)
    return ((*_PROCESS, "model", "arch"), (*_PROCESS, "model", "name_or_path")), model[
        "name_or_path"
    ]


_PUBLIC: Final[Mapping[str, str]] = {
    "runwayml/stable-diffusion-v1-5": "sd15",
    "SG161222/Realistic_Vision_V5.1_noVAE": "sd15",
    "Lykon/dreamshaper-8": "sd15",
    "stabilityai/stable-diffusion-xl-base-0.9": "sdxl",
    "RunDiffusion/Juggernaut-XL-v9": "sdxl",
    "cagliostrolab/animagine-xl-3.1": "sdxl",
    "Lykon/dreamshaper-xl-1-0": "sdxl",
    "black-forest-labs/FLUX.1-schnell": "flux",
    "black-forest-labs/FLUX.1-Krea-dev": "flux",
    "shuttleai/shuttle-3-diffusion": "flux",
    "lodestones/Chroma1-HD": "chroma",
    "HiDream-ai/HiDream-I1-Dev": "hidream",
    "Wan-AI/Wan2.2-T2V-A14B": "wan22_14b",
    "Wan-AI/Wan2.2-TI2V-5B": "wan22_5b",
    "Wan-AI/Wan2.1-T2V-14B": "wan21",
    "neta-art/Neta-Lumina": "lumina2",
    "Lightricks/LTX-Video": "ltx",
    "stabilityai/stable-diffusion-3.5-large": "sd3",
}
"""Public models beside the form's defaults, with the trainer's architecture."""


def _public_model(dice: random.Random, config: dict[str, Any]) -> Made | None:
    model = _block(config, _PROCESS).get("model")
    if not isinstance(model, dict) or model.get("arch") is None:
        return None
    bare = str(model["arch"]).partition(":")[0]
    others = [name for name, arch in _PUBLIC.items() if arch != {"flex1": "flux"}.get(bare, bare)]
    model["name_or_path"] = dice.choice(others)
    return ((*_PROCESS, "model", "arch"), (*_PROCESS, "model", "name_or_path")), model[
        "name_or_path"
    ]


_LIMITS: Final[Mapping[tuple[str, str], tuple[Any, ...]]] = {
    ("train", "steps"): (0, -1, -500),
    ("train", "batch_size"): (0, -1),
    ("train", "lr"): (0, -1e-4, 0.5, 1e-9),
    ("network", "linear"): (0, -16),
    ("network", "linear_alpha"): (0, -16),
    ("sample", "width"): (0, -512, 1),
    ("save", "save_every"): (-1, -250),
}


def _out_of_range(dice: random.Random, config: dict[str, Any]) -> Made | None:
    for (block, name), values in _shuffled(list(_LIMITS.items()), dice):
        keys = (*_PROCESS, block, name)
        found = _block(config, _PROCESS).get(block)
        if isinstance(found, dict) and name in found:
            found[name] = dice.choice(values)
            return (keys,), f"{block}.{name} = {found[name]}"
    return None


_REQUIRED: Final = (
    ("type",),
    ("model", "name_or_path"),
    ("train", "steps"),
    ("train", "lr"),
    ("train", "batch_size"),
    ("network", "linear"),
    ("datasets", "0", "folder_path"),
)


def _missing(dice: random.Random, config: dict[str, Any]) -> Made | None:
    for below in _shuffled(list(_REQUIRED), dice):
        keys = (*_PROCESS, *below)
        try:
            block = _block(config, keys[:-1])
        except (KeyError, IndexError):
            continue
        if isinstance(block, dict) and keys[-1] in block:
            del block[keys[-1]]
            return (keys,), ".".join(below)
    return None


def _null(dice: random.Random, config: dict[str, Any]) -> Made | None:
    for keys, value in _shuffled(_known(config), dice):
        key = key_table().find_keys(keys)
        if key is not None and not key.nullable and value is not None:
            _block(config, keys[:-1])[keys[-1]] = None
            return (keys,), ".".join(keys[3:])
    return None


_CONFLICTS: Final[Sequence[Mapping[str, Any]]] = (
    {"train.gradient_accumulation": 2, "train.gradient_accumulation_steps": 4},
    {"train.bypass_guidance_embedding": True, "train.do_guidance_loss": True},
    {"train.train_text_encoder": True, "train.cache_text_embeddings": True},
    {"train.train_text_encoder": True, "train.unload_text_encoder": True},
    {"train.diff_output_preservation": True, "train.blank_prompt_preservation": True},
    {"train.train_unet": False, "train.train_text_encoder": False},
    {"train.min_denoising_steps": 900, "train.max_denoising_steps": 100},
    {"logging.use_wandb": True, "logging.use_ui_logger": True},
    {"save.push_to_hub": True},
    {"train.start_step": 10_000_000},
    {"save.save_every": 100, "save.max_step_saves_to_keep": 1, "train.steps": 3000},
    {"logging.use_ui_logger": False},
)


def _conflict(dice: random.Random, config: dict[str, Any]) -> Made | None:
    changes = dice.choice(_CONFLICTS)
    process = _block(config, _PROCESS)
    for path, value in changes.items():
        block, _, name = path.partition(".")
        if not isinstance(process.setdefault(block, {}), dict):
            return None
        process[block][name] = value
    places = {(*_PROCESS, *path.split(".")) for path in changes}
    if "save.push_to_hub" in changes:
        places.add((*_PROCESS, "save", "hf_repo_id"))
    return tuple(sorted(places)), str(dict(changes))


def _substitution(dice: random.Random, config: dict[str, Any]) -> Made | None:
    texts = [(keys, value) for keys, value in _leaves(config) if isinstance(value, str)]
    keys, value = dice.choice(texts)
    _block(config, keys[:-1])[keys[-1]] = f"{value} ${{HF_TOKEN}}"
    return (keys,), ".".join(keys)


def _shuffled(rows: list[Any], dice: random.Random) -> list[Any]:
    return dice.sample(rows, len(rows))


KINDS: Final[Mapping[str, Callable[[random.Random, dict[str, Any]], Made | None]]] = {
    "misspelt key": _misspelt_key,
    "key in another block": _wrong_block,
    "wrong type": _wrong_type,
    "wrong choice": _wrong_choice,
    "wrong architecture": _wrong_arch,
    "wrong model": _wrong_model,
    "another public model": _public_model,
    "out of range": _out_of_range,
    "missing": _missing,
    "null": _null,
    "keys in conflict": _conflict,
    "environment in a text": _substitution,
}
"""Each kind of mistake."""
