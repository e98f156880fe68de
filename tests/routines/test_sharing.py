# SPDX-License-Identifier: MIT
"""A routine as a word: there and back, and nothing else is taken for one."""

from __future__ import annotations

import random
import tomllib
import zlib
from base64 import b32encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from tenuto.errors import InputError
from tenuto.files import TEXT_BYTES_MAX
from tenuto.routines import routine
from tenuto.routines.sharing import PREFIX, WORD_CHARS_MAX, shared, unshared
from tests.sample_routines import ROUTINES, SHIPPED, write

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

GOLDEN = "TENUTO1:DEKQYAEDE6TMYERF5RVIGQJS6ACG62GAAUAA"
GOLDEN_TEXT = b'name = "sit"\n[[exercise]]\nname = "Sit"\nhold_s = 10\n'


def test_a_word_of_the_first_day_is_read_for_ever() -> None:
    assert unshared(GOLDEN) == GOLDEN_TEXT
    assert shared(GOLDEN_TEXT) == GOLDEN


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_routine_comes_back_as_it_means(path: Path) -> None:
    data = path.read_bytes()
    word = shared(data)

    assert set(word) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:")
    assert len(word) < 0.9 * len(data)
    assert tomllib.loads(unshared(word).decode()) == tomllib.loads(data.decode())
    assert unshared(f"  {word[:70].lower()}\n{word[70:]}\r\n") == unshared(word)


@given(ROUTINES)
def test_any_routine_comes_back(written: dict[str, Any]) -> None:
    text = write(written)

    again = unshared(shared(text.encode()))

    assert routine.parse(again, "a") == routine.parse(text, "a")


@given(st.binary(max_size=400))
def test_any_bytes_come_back_as_they_mean(data: bytes) -> None:
    again = unshared(shared(data))

    normal = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    assert again == normal or tomllib.loads(again.decode()) == tomllib.loads(normal.decode())


def test_a_sign_of_a_comment_in_a_text_is_none() -> None:
    text = b'name = "a"\n# a comment\nsafety = """\n# not one\n\nend"""\n[[exercise]]\nname = "b"\n'

    assert tomllib.loads(unshared(shared(text)).decode()) == tomllib.loads(text.decode())


def test_damage_is_noticed_wherever_it_is() -> None:
    word = shared(SHIPPED[0].read_bytes())
    rng, noticed = random.Random(7), 0
    for _ in range(300):
        at = rng.randrange(len(PREFIX), len(word))
        other = rng.choice([c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if c != word[at]])
        try:
            # Some bits at the end mean nothing.
            assert unshared(word[:at] + other + word[at + 1 :]) == unshared(word)
        except InputError as error:
            assert "damaged or not complete" in str(error)  # noqa: PT017 - it may come or not
            noticed += 1
    assert noticed > 290
    for end in range(len(PREFIX), len(word) - 8, 7):
        with pytest.raises(InputError, match="damaged or not complete"):
            unshared(word[:end])


@given(st.text(max_size=300))
def test_what_is_no_word_is_refused_in_words(text: str) -> None:
    for word in (text, PREFIX + text):
        with pytest.raises(InputError):
            unshared(word)


def test_a_bomb_is_not_opened_beyond_its_limit() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = packer.compress(bytes(TEXT_BYTES_MAX * 20)) + packer.flush()
    word = PREFIX + b32encode(bytes(4) + small).decode().rstrip("=")

    assert len(word) <= WORD_CHARS_MAX
    with pytest.raises(InputError, match="becomes larger than"):
        unshared(word)
    with pytest.raises(InputError, match="is longer than"):
        unshared(PREFIX + "A" * WORD_CHARS_MAX)
