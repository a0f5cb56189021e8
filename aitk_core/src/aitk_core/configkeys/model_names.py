"""Which architectures a model's name speaks of.

A name is cut into words at every character that is no letter or digit, and between letters and
digits: `FLUX.2-klein-9B` is flux, 2, klein, 9, b, and `reflex` never is flex. A rule is a set of
phrases; a phrase is words that stand together, and a rule holds when the name has all of them.
A rule with all the words of another one and more replaces it. If those that remain agree on one
architecture the name decides, otherwise it is ambiguous.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

import attrs

# phrases | ... : architectures. The words are those of the table itself: id, label or default
# model of each architecture named (a test holds them to it).
_TABLE_RULES: Final = """
ace step 1.5: ace_step_15
ace step 15: ace_step_15
acestep 1.5: ace_step_15
acestep 15: ace_step_15
ace step 1.5 | xl: ace_step_15_xl
ace step 15 | xl: ace_step_15_xl
acestep 1.5 | xl: ace_step_15_xl
acestep 15 | xl: ace_step_15_xl
anima: anima
boogu image: boogu_image
boogu image | edit: boogu_image_edit
chroma: chroma
zeta chroma: zeta_chroma
ernie image: ernie_image
flex: flex1 flex2
flex 1: flex1
flex 2: flex2
flux: flux flux_kontext flux2 flux2_klein_4b flux2_klein_9b
flux 1: flux
flux | kontext: flux_kontext
flux 1 | kontext: flux_kontext
flux 2: flux2
flux | klein: flux2_klein_4b flux2_klein_9b
flux | klein | 4b: flux2_klein_4b
flux | klein | 9b: flux2_klein_9b
flux 2 | klein: flux2_klein_4b flux2_klein_9b
flux 2 | klein | 4b: flux2_klein_4b
flux 2 | klein | 9b: flux2_klein_9b
hidream: hidream
hidream | e1: hidream_e1
hidream | o1: hidream_o1
ideogram 4: ideogram4
krea 2: krea2
krea 2 | turbo: krea2:turbo
krea 2 | edit: krea2:o_edit krea2:o_edit_turbo
krea 2 | edit | turbo: krea2:o_edit_turbo
ltx: ltx2 ltx2.3 ltx2.5
ltx 2: ltx2
ltx 2.3: ltx2.3
ltx 2.5: ltx2.5
lumina 2: lumina2
lumina image 2: lumina2
mage flow: mageflow
mageflow: mageflow
mage flow | edit: mageflow_edit
mageflow | edit: mageflow_edit
minimax h3: minimax_h3
minimax h3 | ref2v: minimax_h3_ref2va
minimax h3 | ref2va: minimax_h3_ref2va
nucleus image: nucleus_image
omnigen 2: omnigen2
prx pixel: prx_pixel
prxpixel: prx_pixel
qwen image: qwen_image
qwen image | 2512: qwen_image:2512
qwen image | edit: qwen_image_edit
qwen image | edit plus: qwen_image_edit_plus qwen_image_edit_plus:2511
qwen image | edit | 2509: qwen_image_edit_plus
qwen image | edit | 2511: qwen_image_edit_plus:2511
sd 1.5: sd15
sd 15: sd15
stable diffusion v1-5: sd15
sdxl: sdxl
sd xl: sdxl
stable diffusion xl: sdxl
wan: wan21:1b wan21:14b wan21_i2v:14b480p wan21_i2v:14b wan22_14b:t2v wan22_14b_i2v wan22_5b
wan {2.1}: wan21:1b wan21:14b wan21_i2v:14b480p wan21_i2v:14b
wan {2.1} | t2v: wan21:1b wan21:14b
wan {2.1} | 1.3b: wan21:1b
wan {2.1} | t2v | 1.3b: wan21:1b
wan {2.1} | 14b: wan21:14b wan21_i2v:14b480p wan21_i2v:14b
wan {2.1} | t2v | 14b: wan21:14b
wan {2.1} | i2v: wan21_i2v:14b480p wan21_i2v:14b
wan {2.1} | i2v | 480p: wan21_i2v:14b480p
wan {2.1} | i2v | 720p: wan21_i2v:14b
wan {2.2}: wan22_14b:t2v wan22_14b_i2v wan22_5b
wan {2.2} | 14b: wan22_14b:t2v wan22_14b_i2v
wan {2.2} | t2v: wan22_14b:t2v
wan {2.2} | i2v: wan22_14b_i2v
wan {2.2} | ti2v: wan22_5b
wan {2.2} | 5b: wan22_5b
z image: zimage
zimage: zimage
z image | turbo: zimage:turbo
zimage | turbo: zimage:turbo
z image | de turbo: zimage:deturbo
z image | deturbo: zimage:deturbo
zimage | deturbo: zimage:deturbo
z image | l2p: zimage_l2p
zimage | l2p: zimage_l2p
"""

# Spellings in wide use that the table does not have.
_ALIAS_RULES: Final = """
acestep v15: ace_step_15
acestep v15 | xl: ace_step_15_xl
qwenimage: qwen_image
qwenimage | edit: qwen_image_edit
sd v1.5: sd15
sd v1-5: sd15
sd 1-5: sd15
stable diffusion 1.5: sd15
stable diffusion v1.5: sd15
v1-5 pruned: sd15
"""

_SPELLINGS: Final = {"{2.1}": ("2.1", "21"), "{2.2}": ("2.2", "22")}
"""The labels write a version with its dot, the ids without."""

_VARIANT_WORDS: Final = ("edit", "kontext", "klein", "turbo", "xl", "radiance")
"""Words that make another model of the same family in the table: a rule must account for them."""

_WORD: Final = re.compile(r"[^\W\d_]+|\d+(?:\.\d+)*")
_FILE_ENDINGS: Final = (".safetensors", ".ckpt", ".bin", ".pt", ".pth", ".gguf")
"""Model extensions of the tool contract, section 0."""

Words = tuple[str, ...]


@attrs.frozen(kw_only=True)
class NameVerdict:
    """What a name says."""

    archs: tuple[str, ...] = ()
    """The architectures it fits: one if it decides, none if it says nothing."""
    rule: str = ""
    """The words that decided, empty if none did."""
    unexplained: str = ""
    """A word that makes another variant than the one the rules found."""


@attrs.frozen(kw_only=True)
class NameRule:
    """One line of the rules."""

    phrases: tuple[Words, ...]
    archs: tuple[str, ...]

    @property
    def words(self) -> frozenset[str]:
        """Return all words of the phrases."""
        return frozenset(word for phrase in self.phrases for word in phrase)

    @property
    def text(self) -> str:
        """Return the phrases as one readable text."""
        return " + ".join(" ".join(phrase) for phrase in self.phrases)


def words_of(name: str) -> Words:
    """Return the words of a name, in lower case; a version `2.0` is the word `2`."""
    found = _WORD.findall(name.lower())
    return tuple(re.sub(r"(?:\.0+)+$", "", word) for word in found)


def _rules_in(text: str) -> tuple[NameRule, ...]:
    rules: list[NameRule] = []
    for line in text.strip().splitlines():
        phrases, _, ids = line.partition(": ")
        key = next((key for key in _SPELLINGS if key in phrases), None)
        written = [phrases.replace(key, each) for each in _SPELLINGS[key]] if key else [phrases]
        rules.extend(
            NameRule(
                phrases=tuple(words_of(phrase) for phrase in spelling.split("|")),
                archs=tuple(ids.split()),
            )
            for spelling in written
        )
    return tuple(rules)


@cache
def table_rules() -> tuple[NameRule, ...]:
    """Return the rules made of the table's own words."""
    return _rules_in(_TABLE_RULES)


@cache
def name_rules() -> tuple[NameRule, ...]:
    """Return all rules."""
    return table_rules() + _rules_in(_ALIAS_RULES)


def _stands_in(phrase: Words, words: Words) -> bool:
    length = len(phrase)
    return any(words[at : at + length] == phrase for at in range(len(words) - length + 1))


def _judge_words(words: Words) -> NameVerdict:
    held = [rule for rule in name_rules() if all(_stands_in(p, words) for p in rule.phrases)]
    best = [rule for rule in held if not any(rule.words < other.words for other in held)]
    if not best:
        return NameVerdict()
    agreed = [arch for arch in best[0].archs if all(arch in rule.archs for rule in best)]
    named = agreed or [arch for rule in best for arch in rule.archs]
    explained = frozenset(word for rule in best for word in rule.words)
    spare = [word for word in _VARIANT_WORDS if word in words and word not in explained]
    return NameVerdict(
        archs=tuple(dict.fromkeys(named)),
        rule=", ".join(rule.text for rule in best),
        unexplained=spare[0] if spare else "",
    )


def judge_name(model_name: str) -> NameVerdict:
    """Return what the name of a model says, the last part of its path first.

    The folder that a file lies in is asked only where the file's own name says nothing, and the
    owner of a Hub repository never.
    """
    parts = [part for part in re.split(r"[/\\]", model_name.strip()) if part]
    if not parts:
        return NameVerdict()
    verdict = _judge_words(words_of(parts[-1]))
    is_file = parts[-1].lower().endswith(_FILE_ENDINGS)
    if verdict.archs or len(parts) == 1 or not is_file:
        return verdict
    return _judge_words(words_of("/".join(parts[-2:])))
