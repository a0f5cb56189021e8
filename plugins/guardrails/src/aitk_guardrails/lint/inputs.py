"""What a caller gives to be checked: an object, a text, or a few values of a draft.

    config = config_of_text('{"job": "extension", ...}')
    config = draft_config(Draft(model_name="black-forest-labs/FLUX.1-dev", dataset_path="/data/a"))

A text is untrusted: it is bounded before it is read, aliases that grow beyond bounds are refused,
and only plain JSON values come out of it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from attrs import frozen

from aitk_core.configkeys.archs import resolve_arch
from aitk_core.configkeys.form import form_process, put
from aitk_core.configkeys.text import MAX_BYTES, ConfigTextError, parse_config
from aitk_core.errors import InvalidArgumentsError, TooLargeError

_PATH: Final = "/config"
_BEGINS_JSON: Final = re.compile(r"""\s*[\[{]\s*["\[{\]}]""")
"""A bracket of YAML is followed by a bare word; one of JSON is not."""


@frozen(kw_only=True)
class Draft:
    """Values of a config that does not exist yet; defaults are the contract's (TOOLS.md 2)."""

    model_name: str
    dataset_path: str
    name: str = "draft"
    arch: str | None = None
    """None to tell it from the model's name."""
    resolution: int = 512
    batch_size: int = 1
    steps: int = 1000
    learning_rate: float = 2e-4
    rank: int = 16
    alpha: float = 16
    low_vram: bool = True
    trigger_word: str | None = None
    test_prompts: tuple[str, ...] = ()
    use_wandb: bool = False
    disable_sampling: bool = False


def config_of_text(text: str) -> dict[str, Any]:
    """Return the config that a JSON or YAML text holds.

    What begins like JSON is read as nothing else: YAML would take an unfinished object for one.

    Args:
        text: At most 2 MiB in UTF-8.

    Raises:
        InvalidArgumentsError: It is neither, or holds no object; the message names the line.
        TooLargeError: It is longer.
    """
    data = text.encode("utf-8", errors="surrogatepass")
    if len(data) > MAX_BYTES:
        raise TooLargeError(
            f"the config has {len(data)} bytes, and {MAX_BYTES} is the limit", limit=MAX_BYTES
        )
    is_json = _BEGINS_JSON.match(text.removeprefix("\ufeff")) is not None
    try:
        return parse_config(data, is_json=is_json)
    except ConfigTextError as error:
        raise _unreadable(error) from None


def _unreadable(error: ConfigTextError) -> InvalidArgumentsError:
    return InvalidArgumentsError(
        f"the config {error}",
        remedy="give the config as an object, or as JSON or YAML text of one",
        faults=[{"path": _PATH, "message": str(error)}],
    )


def config_of(given: Any) -> Any:
    """Return the config that an argument means: a text is read, anything else is itself.

    Raises:
        InvalidArgumentsError: A text that is no config.
        TooLargeError: A text that is too long.
    """
    return config_of_text(given) if isinstance(given, str) else given


def draft_config(draft: Draft) -> dict[str, Any]:
    """Return the config that the backend's form would make of a draft.

    Raises:
        InvalidArgumentsError: The architecture is unknown, or cannot be told from the name.
    """
    arch = resolve_arch(draft.model_name, draft.arch).arch
    process = form_process(arch)
    for path, value in (
        ("model.name_or_path", draft.model_name),
        ("model.low_vram", draft.low_vram),
        ("train.batch_size", draft.batch_size),
        ("train.steps", draft.steps),
        ("train.lr", draft.learning_rate),
        ("train.disable_sampling", draft.disable_sampling),
        ("network.linear", draft.rank),
        ("network.linear_alpha", draft.alpha),
        ("logging.use_wandb", draft.use_wandb),
        ("sample.samples", [{"prompt": prompt} for prompt in draft.test_prompts]),
        ("trigger_word", draft.trigger_word or None),
    ):
        put(process, path, value)
    process["datasets"][0].update(folder_path=draft.dataset_path, resolution=[draft.resolution])
    return {"job": "extension", "config": {"name": draft.name, "process": [process]}}
