# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import InputError
from tenuto.routines.library import Library
from tenuto.shipped import shipped
from tenuto_core import vocab
from tests.sample_routines import CONFIG

if TYPE_CHECKING:
    from pathlib import Path

MINE = '{}\n[[exercise]]\nname = "mine"\n'


def put(folder: Path, name: str, called: str | None = None) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(MINE.format(f'name = "{called or name}"'), encoding="utf-8")
    return file


def test_what_comes_with_tenuto_is_found() -> None:
    assert (shipped("config") / "routines" / "lower-back.toml").is_file()
    assert (shipped("firmware") / "tenuto_core" / "plan.py").is_file()
    with pytest.raises(InputError, match="install Tenuto again"):
        shipped("no such folder")


def test_the_first_three_routines_are_there_and_can_be_played() -> None:
    library = Library()

    assert {"lower-back", "lower-back-short", "lower-back-60"} <= set(library.names())
    for name in library.names():
        assert library.plan(name).plan.name == library.routine(name).shown_name


def test_an_own_routine_goes_before_a_shipped_one(tmp_path: Path) -> None:
    put(tmp_path, "lower-back")
    put(tmp_path, "zz-own")

    library = Library(routines_folder=tmp_path)

    assert [e.name for e in library.routine("lower-back").exercises] == ["mine"]
    assert library.names() == sorted([*Library().names(), "zz-own"])


def test_a_folder_that_is_not_there_is_no_mistake(tmp_path: Path) -> None:
    assert Library(routines_folder=tmp_path / "none").names() == Library().names()


def test_an_unknown_name_is_told_with_the_list_and_the_nearest() -> None:
    with pytest.raises(InputError) as caught:
        Library().routine("lower_back")

    assert str(caught.value) == "there is no routine 'lower_back'; did you mean lower-back?"
    with pytest.raises(InputError, match="there is no routine 'zzz'; there are after-run, "):
        Library().routine("zzz")


def test_a_routine_has_a_label_by_which_it_is_found_too(tmp_path: Path) -> None:
    put(tmp_path, "own")
    (tmp_path / "again.toml").write_text(
        'name = "again"\ntitle = "own"\n[[exercise]]\nname = "x"\n', encoding="utf-8"
    )
    (tmp_path / "wrong.toml").write_text("name = 1\n", encoding="utf-8")

    library = Library(routines_folder=tmp_path)
    labels = library.labels()

    assert labels["hips"] == "Hips"
    assert labels["lower-back"] == "lower-back"
    assert labels["pelvic-floor"] == "Ten and ten"
    assert labels["wrong"] == "wrong"
    assert {labels["again"], labels["own"]} == {"own", "own (own)"}
    assert len(set(labels.values())) == len(labels)
    assert library.routine("Hips").name == "hips"
    assert library.routine("Ten and ten").name == "pelvic-floor"
    assert library.plan("own (own)").plan.name == "own"


@pytest.mark.parametrize(
    "name",
    [
        "../lower-back",
        "./lower-back",
        "..",
        "",
        "lower-back.toml",
        "/etc/passwd",
        "a\0b",
        "~",
        ".x",
    ],
)
def test_a_name_is_never_a_path(name: str, tmp_path: Path) -> None:
    put(tmp_path, "lower-back")
    put(tmp_path, ".x")
    (tmp_path / "inner").mkdir()

    with pytest.raises(InputError, match="there is no routine"):
        Library(routines_folder=tmp_path / "inner").routine(name)
    with pytest.raises(InputError, match="there is no routine"):
        Library(routines_folder=tmp_path).plan(name)


def test_a_path_is_taken_where_it_is_asked_for(tmp_path: Path) -> None:
    file = put(tmp_path, "anything", called="other")

    assert Library().open(str(file)).name == "other"
    assert Library().open("lower-back").name == "lower-back"
    with pytest.raises(InputError, match="cannot be read"):
        Library().open(str(tmp_path / "no.toml"))


def test_a_routine_is_called_as_its_file(tmp_path: Path) -> None:
    put(tmp_path, "copy", called="original")

    with pytest.raises(
        InputError, match=r"copy\.toml:1: `name` is 'original', allowed is .*'copy'"
    ):
        Library(routines_folder=tmp_path).routine("copy")


def test_an_edited_file_counts_at_once_even_if_it_looks_as_before(tmp_path: Path) -> None:
    library, file = Library(routines_folder=tmp_path), put(tmp_path, "own")
    before, looks = library.plan("own"), file.stat()

    file.write_text(file.read_text(encoding="utf-8").replace("mine", "ours"), encoding="utf-8")
    os.utime(file, ns=(looks.st_atime_ns, looks.st_mtime_ns))

    assert (file.stat().st_size, file.stat().st_mtime_ns) == (looks.st_size, looks.st_mtime_ns)
    assert library.plan("own").plan_id != before.plan_id
    assert [e.name for e in library.routine("own").exercises] == ["ours"]


def test_an_own_vocabulary_changes_what_it_says_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_text("[halfway]\non_off_ms = [200]\n", encoding="utf-8")

    own, usual = Library(haptics_file=file), Library()

    assert own.vocabulary().pattern(vocab.HALFWAY) == ((100, 200, 0),)
    assert own.vocabulary().pattern(vocab.FINISHED) == usual.vocabulary().pattern(vocab.FINISHED)
    assert own.plan("lower-back").plan_id != usual.plan("lower-back").plan_id


def test_the_shipped_vocabulary_is_the_one_in_config() -> None:
    assert shipped("config") == CONFIG
