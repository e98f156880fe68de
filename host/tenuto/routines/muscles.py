# SPDX-License-Identifier: MIT
"""The words for muscles: a small vocabulary with synonyms, so that what is meant alike meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.toml.rules import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tenuto.toml.rules import ListOf

SYNONYMS: dict[str, tuple[str, ...]] = {
    "neck": ("neck muscles", "sternocleidomastoid", "neck flexors", "neck extensors"),
    "shoulders": ("shoulder", "deltoids", "deltoid", "delts"),
    "rotator cuff": ("infraspinatus", "supraspinatus", "subscapularis", "teres minor"),
    "chest": ("pectorals", "pectoralis", "pecs", "pectoralis major", "pectoralis minor"),
    "upper back": ("trapezius", "traps", "rhomboids", "thoracic spine"),
    "mid back": ("middle back",),
    "lats": ("latissimus", "latissimus dorsi"),
    "lower back": ("low back", "lumbar spine", "erector spinae", "back extensors", "multifidus"),
    "abdominals": ("core", "abs", "abdominal muscles", "rectus abdominis", "stomach", "belly"),
    "obliques": ("side abdominals", "quadratus lumborum", "side of the trunk"),
    "pelvic floor": ("pelvic floor muscles", "kegel muscles"),
    "biceps": ("biceps brachii", "front of the upper arm"),
    "triceps": ("triceps brachii", "back of the upper arm"),
    "forearms": ("forearm", "wrists", "wrist flexors", "wrist extensors", "hands"),
    "hip flexors": ("hip flexor", "iliopsoas", "psoas", "front of the hip"),
    "glutes": ("gluteus maximus", "gluteals", "buttocks", "gluteus"),
    "hip abductors": ("gluteus medius", "gluteus minimus", "outer hips", "abductors"),
    "piriformis": ("deep hip rotators", "hip rotators"),
    "adductors": ("groin", "inner thighs", "hip adductors"),
    "quadriceps": ("quads", "quad", "front thighs", "thighs", "rectus femoris"),
    "hamstrings": ("hamstring", "back of the thighs", "biceps femoris"),
    "it band": ("iliotibial band", "tensor fasciae latae", "outer thighs"),
    "calves": ("calf", "gastrocnemius", "soleus", "achilles tendon"),
    "shins": ("shin", "tibialis anterior"),
    "feet": ("foot", "plantar fascia", "soles", "toes"),
    "ankles": ("ankle",),
}
"""Each muscle, or group that is trained together, and other words for it."""

_KNOWN = {word: name for name, words in SYNONYMS.items() for word in (name, *words)}


def canonical(word: str) -> str:
    """Return the word of the vocabulary for a muscle; an unknown one as it is."""
    return _KNOWN.get(" ".join(word.casefold().split()), word)


def by_one_word(words: Iterable[str]) -> tuple[str, ...]:
    """Return muscles by the words of the vocabulary, each once."""
    return tuple(dict.fromkeys(map(canonical, words)))


def unknown(words: Iterable[str]) -> list[str]:
    """Return a remark on each muscle that the vocabulary does not have."""
    told = []
    for word in dict.fromkeys(words):
        if canonical(word).casefold() not in _KNOWN:
            near = nearest(word, tuple(_KNOWN))
            meant = f"; did you mean '{_KNOWN[near]}'?" if near else ""
            told.append(f"the muscle '{word}' is not in the vocabulary and is kept as it is{meant}")
    return told


@dataclass(frozen=True, slots=True)
class Muscles:
    """A list of muscles, by the words of the vocabulary, each once."""

    words: ListOf

    def read(self, value: object) -> tuple[str, ...]:
        """Return the muscles."""
        return by_one_word(self.words.read(value))

    def schema(self) -> dict[str, Any]:
        """Return the schema of an array of strings."""
        return self.words.schema()
