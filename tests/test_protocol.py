# SPDX-License-Identifier: MIT
"""firmware/PROTOCOL.md says what the code does."""

from __future__ import annotations

import re

import pytest

from tenuto_core import vocab, wire
from tests import protocol

TEXT = protocol.PAPER.read_text(encoding="utf-8")


def test_the_tables_and_examples_are_those_of_the_code() -> None:
    assert protocol.renewed(TEXT) == TEXT, "run: python tests/protocol.py --write"


def test_every_frame_has_its_section_and_its_meaning() -> None:
    assert set(protocol.FRAMES) == set(wire.FRAMES)
    for op in wire.FRAMES:
        assert f"### {wire.FRAMES[op][0]}\n" in TEXT
    fields = {field for op in wire.FRAMES for field, _ in wire.FRAMES[op][1]}
    assert fields == set(protocol.MEANINGS)


def test_every_status_record_and_feature_is_explained() -> None:
    assert set(protocol.STATUSES) == set(vocab.STATUSES)
    assert set(protocol.RECORDS) == set(filter(None, vocab.RECORDS))
    assert set(protocol.FEATURE_TEXTS) == {n for n in vars(wire) if n.startswith("FEATURE_")}


@pytest.mark.parametrize("op", list(wire.FRAMES), ids=lambda op: wire.FRAMES[op][0])
def test_the_example_in_the_text_is_the_frame(op: int) -> None:
    """Read from the text, as a reader does who writes a host of their own."""
    name = wire.FRAMES[op][0]
    section = re.search(rf"### {name}\n(.*?)(?=\n### |\n## )", TEXT, re.DOTALL)
    assert section is not None
    example = re.search(r"^`([0-9a-f ]+)`$", section[1], re.MULTILINE)
    assert example is not None
    frame = bytes.fromhex(example[1])

    _, tag, values, tail = protocol.FRAMES[op]
    assert wire.decode(frame) == (op, tag, values, tail)
    for at, size, field in re.findall(r"^\| (\d+) \| (\d+) \| (\w+) \|", section[1], re.MULTILINE):
        piece = frame[int(at) : int(at) + int(size)]
        told = dict(zip([n for n, _ in wire.FRAMES[op][1]], values, strict=True))
        told |= {"op": told.get("op", op) if field != "op" or int(at) else op, "tag": tag}
        value = told[field]
        assert piece == (value if isinstance(value, bytes) else value.to_bytes(int(size), "little"))


def test_one_sentence_a_line() -> None:
    body = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
    for line in body.splitlines():
        if not line.startswith("|"):
            assert not re.search(r"[a-z)`][.?] [A-Z]", line), line


def test_the_diagrams_name_frames_that_there_are() -> None:
    names = {wire.FRAMES[op][0] for op in wire.FRAMES}
    drawn = re.findall(r"->>\w: (\w+)", "".join(re.findall(r"```mermaid.*?```", TEXT, re.DOTALL)))
    assert {word for word in drawn if "_" in word} <= names
    for wanted in ("challenge", "key_set", "upload_commit", "log_ack", "time_set"):
        assert wanted in drawn
