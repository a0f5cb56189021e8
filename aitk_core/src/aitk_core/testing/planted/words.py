"""Texts for captions: sentences and tag lists that differ from one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from numpy.random import Generator

TRIGGER: Final = "ohwx"
"""The trigger word of every planted folder: one that no sentence holds by chance."""
PHRASE: Final = "printed on faded matte paper"
"""What dominates the captions of a folder that has the family `style`."""


def _of(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


_NOUNS: Final = _of(
    "lantern|kettle|heron|violin|ladder|compass|teapot|bicycle|anchor|cactus|falcon|basket|"
    "helmet|candle|mirror|pumpkin|sparrow|suitcase|tractor|umbrella|wagon|zebra|accordion|"
    "barrel"
)
_ADJECTIVES: Final = _of(
    "small|weathered|bright|narrow|polished|wooden|striped|dusty|painted|round|broken|quiet|"
    "heavy|curved|pale|spotted|ancient|glossy|crooked|frozen|gentle|hollow|tall|tangled"
)
_COLOURS: Final = _of(
    "crimson|teal|amber|ivory|cobalt|olive|violet|copper|scarlet|beige|turquoise|maroon|"
    "silver|lilac|ochre|charcoal"
)
_PLACES: Final = _of(
    "a harbour|an orchard|a stone bridge|a market stall|an attic|a wheat field|a greenhouse|"
    "a train platform|a courtyard|a snowy slope|a library|a workshop|a riverbank|a rooftop|"
    "a cellar|a garden path|a desert road|a lighthouse|a barn|a classroom|a meadow|a quay|"
    "a hallway|a pine forest"
)
_LIGHTS: Final = _of(
    "at dawn|under lamps|in fog|by candlelight|at noon|in rain|after sunset|in deep shade|"
    "by a window|under clouds|in moonlight|during a storm|in autumn|on a summer evening|"
    "in winter sun|under neon signs"
)
_VIEWS: Final = _of(
    "from above|from below|close up|far away|through glass|off centre|at eye level|"
    "behind a fence|half hidden|in profile|facing left|facing right"
)
_FORMS: Final = (
    "{t}, {a} {c} {n} {v}, {p} {l}",
    "{t} with a {c} {n}, {a}, near {p} {l}, {v}",
    "the {a} {n} of {t} stands by {p} {l}; {c} tones, {v}",
    "{l}, {t} and one {c} {n} beside {p}, {a} and {v}",
    "{v}: {a} {n} in {c}, {t} at {p} {l}",
    "{p} {l} where {t} left a {a} {c} {n}, {v}",
    "a {n}, {c} and {a}, behind {t} {v}, {l}, close to {p}",
    "looking {v} at {t}: {c} {n}, {a}; {p}, {l}",
)


def sentence(rng: Generator, trigger: str = TRIGGER) -> str:
    """Return a sentence of at most 30 words, one of some 300 million."""
    form = _FORMS[rng.integers(len(_FORMS))]
    return form.format(t=trigger, **_parts(rng))


def tags(rng: Generator) -> str:
    """Return a comma-separated list of seven tags, the trigger first."""
    parts = _parts(rng)
    return ", ".join([TRIGGER, *(parts[key] for key in "nacvlp")])


def long_text(rng: Generator, words: int) -> str:
    """Return sentences with at least that many words, the trigger at the start."""
    parts = [sentence(rng)]
    while sum(len(part.split()) for part in parts) < words:
        parts.append(sentence(rng, "it"))
    return ". ".join(parts)


def _parts(rng: Generator) -> dict[str, str]:
    lists = {"n": _NOUNS, "a": _ADJECTIVES, "c": _COLOURS, "p": _PLACES, "l": _LIGHTS, "v": _VIEWS}
    return {key: words[rng.integers(len(words))] for key, words in lists.items()}
