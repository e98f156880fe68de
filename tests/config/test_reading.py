# SPDX-License-Identifier: MIT
from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given, strategies as st
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from tenuto import config
from tenuto.config import Config, Wearable, find_config
from tenuto.config.broker import broker_addresses
from tenuto.errors import InputError
from tests.config.rig import mistakes, parse
from tests.sample_routines import CONFIG

if TYPE_CHECKING:
    from platformdirs import PlatformDirsABC


def test_without_a_file_there_is_one_simulated_wearable_and_an_embedded_broker() -> None:
    found = find_config()

    assert found.wearables == (Wearable(id="simulated", link="simulated"),)
    assert found.mqtt.is_embedded
    assert (broker_addresses(found, {}), found.mqtt.base_topic) == ((), "tenuto")
    assert found.bluetooth.adapter == "default"
    assert found.routine_for(found.wearables[0]) == "lower-back"
    assert found.haptics_file is None
    assert found.file is None


def test_the_shipped_file_says_what_holds_without_it() -> None:
    found = find_config(CONFIG / "tenuto.toml")

    assert found == Config(file=CONFIG / "tenuto.toml")
    assert found.history_path == Config().history_path
    assert found.routines_folder == Config().routines_folder


def test_every_key_is_in_the_shipped_file_and_may_be_switched_on() -> None:
    text = (CONFIG / "tenuto.toml").read_text(encoding="utf-8")
    on = "".join(
        line.removeprefix("# ") if line.startswith(("# [[person", "#")) and "=" in line else line
        for line in text.replace("# [[person]]", "[[person]]").splitlines(keepends=True)
        if "mqtt" not in line or not line.startswith("#")
    )
    on = on.replace('link = "simulated"', 'link = "ble"').replace('port = "', '# "')
    on = on.replace('url = "embedded"', 'url = "mqtts://me@broker.lan"')

    found = parse(on)

    assert [(p.id, p.name, p.publish_heart_rate) for p in found.people] == [("anna", "Anna", False)]
    assert found.wearables[0].person == "anna"
    assert found.wearables[0].address == "C0:FF:EE:00:00:01"
    assert found.history.path == Path("history.db")
    assert (found.mqtt.ca_file, found.mqtt.client_id) == (Path("ca.crt"), "tenuto")


def test_the_file_is_looked_for_in_order(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [user / "named.toml", user / "environment.toml", config.own_folders().config]
    places[2].mkdir(parents=True)
    places[2] /= "tenuto.toml"
    for place in places:
        place.write_text(f'[mqtt]\nbase_topic = "{place.stem}"\n', encoding="utf-8")

    assert find_config().mqtt.base_topic == "tenuto"
    assert find_config().file == places[2]
    monkeypatch.setenv("TENUTO_CONFIG", str(places[1]))
    assert find_config().mqtt.base_topic == "environment"
    assert find_config(places[0]).mqtt.base_topic == "named"


def test_a_file_that_was_named_must_be_there(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        find_config(user / "no.toml")
    monkeypatch.setenv("TENUTO_CONFIG", str(user / "gone.toml"))
    with pytest.raises(InputError, match="cannot be read: No such file"):
        find_config()


def test_relative_paths_start_at_the_file_and_a_tilde_at_home(user: Path) -> None:
    file = user / "folder" / "t.toml"
    file.parent.mkdir()
    file.write_text(
        '[history]\npath = "h.db"\n[routines]\nfolder = "~/mine"\n[haptics]\nfile = "../v.toml"\n',
        encoding="utf-8",
    )

    found = find_config(file)

    assert found.history_path == user / "folder" / "h.db"
    assert found.routines_folder == Path.home() / "mine"
    assert found.haptics_file == user / "folder" / ".." / "v.toml"


@pytest.mark.parametrize(
    "platform,environ,expected",
    [
        (Unix, {}, ("~/.config", "~/.local/share")),
        (Unix, {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"}, ("/c", "/d")),
        (Unix, {"XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": ""}, ("~/.config", "~/.local/share")),
        (MacOS, {}, ("~/Library/Application Support",) * 2),
        (MacOS, {"XDG_CONFIG_HOME": "/c"}, ("/c", "~/Library/Application Support")),
        (
            Windows,
            {"WIN_PD_OVERRIDE_APPDATA": "C:\\r", "WIN_PD_OVERRIDE_LOCAL_APPDATA": "C:\\l"},
            ("C:\\r", "C:\\l"),
        ),
    ],
)
def test_the_folders_are_those_of_the_platform(
    platform: type[PlatformDirsABC],
    environ: dict[str, str],
    expected: tuple[str, str],
    user: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_only(monkeypatch, {"HOME": str(user)} | environ)

    found = config.own_folders(platform)

    own = [Path(folder.replace("~", str(user)), "tenuto") for folder in expected]
    assert [found.config, found.data] == own


def test_what_was_kept_on_macos_is_still_found(user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was once in the same place whatever the XDG variables said."""
    earlier = user / "Library" / "Application Support" / "tenuto"
    earlier.mkdir(parents=True)
    names = {"XDG_CONFIG_HOME": str(user / "c"), "XDG_DATA_HOME": str(user / "d")}
    set_only(monkeypatch, {"HOME": str(user)} | names)
    (user / "d" / "tenuto").mkdir(parents=True)

    found = config.own_folders(MacOS)

    assert [found.config, found.data] == [earlier, user / "d" / "tenuto"]


def test_the_xdg_variables_are_enough_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose user has no line in passwd either."""
    monkeypatch.setattr("pwd.getpwuid", nobody)
    names = {"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"}
    set_only(monkeypatch, names)
    found = config.own_folders(Unix)
    assert (found.config, found.data) == (Path("/c/tenuto"), Path("/d/tenuto"))

    for name in names:
        set_only(monkeypatch, names)
        monkeypatch.delenv(name)
        with pytest.raises(InputError, match="set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME"):
            config.own_folders(Unix)


def set_only(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Of the variables that say where folders are, set only these."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def nobody(uid: int) -> NoReturn:
    """Stand in for a passwd file without this user."""
    raise KeyError(uid)


def test_all_mistakes_come_at_once() -> None:
    found = mistakes("""\
[mqtt]
base_topic = "a/+/b"
[bluetooth]
adapter = "hci"
[histry]
[[person]]
id = "anna"
[[person]]
id = "anna"
name = ""
publish_heart_rate = "no"
[[wearable]]
id = "Band"
link = "ble"
address = "C0:00:00:00:00:01"
person = "ana"
[[wearable]]
id = "b"
link = "serial"
address = "c0:00:00:00:00:01"
[[wearable]]
id = "b"
link = "simulatd"
""")

    expected = [
        (2, "[mqtt]: `base_topic` is the text 'a/+/b', allowed is letters"),
        (4, "[bluetooth]: `adapter` is the text 'hci', allowed is \"default\""),
        (5, "unknown key `histry`, did you mean `history`?"),
        (9, "person 'anna': `id` is that of the person on line 7"),
        (10, "person 'anna': `name` is empty"),
        (11, "person 'anna': `publish_heart_rate` is the text 'no', allowed is true or false"),
        (13, "wearable 'Band': `id` is the text 'Band', allowed is 1 to 32 of a-z, 0-9, _ and -"),
        (16, "wearable 'Band': `person` is 'ana', but no [[person]] has that id, did you mean"),
        (17, "wearable 'b': `port` is missing"),
        (20, "wearable 'b': `address` is not for the link \"serial\""),
        (20, "wearable 'b': `address` is that of the wearable on line 15"),
        (22, "wearable 'b': `id` is that of the wearable on line 18"),
        (23, "wearable 'b': `link` is the text 'simulatd'"),
    ]
    assert [m.split(": ", 1)[0] for m in found] == [f"t.toml:{line}" for line, _ in expected]
    for mistake, (_, text) in zip(found, expected, strict=True):
        assert text in mistake


@pytest.mark.parametrize(
    "text,told",
    [
        ('url = "mqtt://me@host"\nca_file = "ca.crt"', "t.toml:3: [mqtt]: `ca_file` is for mqtts"),
        ('url = "mqtts://h"\ncertificate_key = "k"', "needs `certificate` beside it"),
        ('url = "mqtt://host"\npassword_file = "p"', "needs a user"),
        ('url = "mqtt://me:s3cret@host"\npassword_file = "p"', "is a second password"),
        ("keep_alive_s = 2", "allowed is 5 to 3600"),
        ('client_id = "a b"', "1 to 64 letters"),
        ('discovery_prefix = "+"', "letters, digits"),
    ],
)
def test_what_cannot_be_meant_together_is_told(text: str, told: str) -> None:
    (mistake,) = mistakes(f"[mqtt]\n{text}\n")
    assert told in mistake
    assert "s3cret" not in mistake


@pytest.mark.parametrize("reserved", ["bridge", "person"])
def test_a_level_that_tenuto_has_on_mqtt_is_no_id_of_a_wearable(reserved: str) -> None:
    (mistake,) = mistakes(f'[[wearable]]\nid = "{reserved}"\nlink = "simulated"\n')

    assert mistake.startswith(f"t.toml:2: wearable '{reserved}': `id` is \"{reserved}\"")
    assert parse(f'[[person]]\nid = "{reserved}"\n').people[0].id == reserved


UUID = "6F9E1A2B-0001-4ABC-8DEF-0123456789AB"


@pytest.mark.parametrize("address", ["C0:FF:EE:00:00:01", "c0:ff:ee:00:00:01", UUID])
def test_an_address_has_six_bytes_or_is_one_of_macos(address: str) -> None:
    text = f'[[wearable]]\nid = "a"\nlink = "ble"\naddress = "{address}"\nheart = "{address}"\n'

    assert parse(text).wearables[0].address == address


@pytest.mark.parametrize(
    "wrong", ["1", "C0:FF:EE:00:00", "C0:FF:EE:00:00:0G", "my band", UUID[:-1]]
)
def test_what_is_no_address_is_told_with_where_to_find_it(wrong: str) -> None:
    (mistake,) = mistakes(f'[[wearable]]\nid = "a"\nlink = "ble"\naddress = "{wrong}"\n')

    assert mistake.startswith("t.toml:4: wearable 'a': `address` is the text ")
    assert mistake.endswith("such as C0:FF:EE:00:00:01; `tenuto scan` shows it")


STRAP = '[[wearable]]\nid = "{}"\nlink = "serial"\nport = "{}"\nheart = "{}"\n'


def test_a_strap_may_be_meant_by_its_name_and_is_for_one_wearable() -> None:
    name = "Polar H10 8C4D1E2F"
    assert parse(STRAP.format("a", "p", name)).wearables[0].heart == name

    (wrong,) = mistakes(STRAP.format("a", "p", "D0:00:00:00:00:0"))
    assert "allowed is an address such as C0:FF:EE:00:00:01, or the name that it tells" in wrong
    (twice,) = mistakes(STRAP.format("a", "p", name) + STRAP.format("b", "q", name.lower()))
    assert twice.startswith("t.toml:10: wearable 'b': `heart` is that of the wearable on line 5;")


@pytest.mark.parametrize("name", ["default", "hci0", "hci12", "bumble:serial:/dev/ttyACM0,1000000"])
def test_adapters(name: str) -> None:
    assert parse(f'[bluetooth]\nadapter = "{name}"\n').bluetooth.adapter == name


def test_a_wearable_is_found_by_its_id_or_the_error_says_which_there_are() -> None:
    found = parse('[[wearable]]\nid = "left-band"\nlink = "simulated"\nroutine = "mine"\n')

    assert found.routine_for(found.wearable("left-band")) == "mine"
    with pytest.raises(InputError, match="no wearable 'left_band', did you mean left-band"):
        found.wearable("left_band")


def test_each_of_a_hundred_in_a_class_may_be_a_person() -> None:
    text = "".join(
        f'[[person]]\nid = "p{number}"\n[[wearable]]\nid = "w{number}"\nlink = "simulated"\n'
        f'person = "p{number}"\n'
        for number in range(100)
    )

    assert len(parse(text).people) == 100


def test_nobody_publishes_a_heart_rate_unless_it_is_said() -> None:
    found = parse('[[person]]\nid = "a"\n[[person]]\nid = "b"\npublish_heart_rate = true\n')

    said = [found.person(one) for one in ("a", "b", None, "c")]
    assert [person and person.publish_heart_rate for person in said] == [False, True, None, None]


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 30), st.binary(max_size=4)), max_size=4))
def test_a_corrupted_file_gives_mistakes_and_nothing_worse(
    edits: list[tuple[float, int, bytes]],
) -> None:
    data = (CONFIG / "tenuto.toml").read_bytes().replace(b"\n# ", b"\n")
    for place, cut, piece in edits:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + cut :]

    try:
        config.parse(data, "corrupt.toml")
    except InputError as error:
        lines = [mistake.line for mistake in error.mistakes]
    else:
        lines = [1]

    assert all(0 <= line <= data.count(b"\n") + 1 for line in lines)


@pytest.mark.skipif(os.name != "posix", reason="files have no mode here")
@pytest.mark.parametrize(
    "text,mode,advice",
    [
        ("", 0o646, "chmod o-w"),
        ('mqtt.url = "mqtt://anna:secret@broker"\n', 0o644, "chmod 600"),
        ('mqtt.url = "mqtt://anna:secret@broker"\n', 0o600, None),
        ("", 0o644, None),
    ],
)
def test_a_file_that_others_may_change_or_read_a_password_in_is_refused(
    tmp_path: Path, text: str, mode: int, advice: str | None
) -> None:
    file = tmp_path / "tenuto.toml"
    file.write_text(text)
    file.chmod(mode)

    if advice is None:
        find_config(file)
        return
    with pytest.raises(InputError) as refused:
        find_config(file)
    assert advice in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text,wrong",
    [
        ('fleet.lease_topic = "leases"\n', "needs a broker that all hosts share"),
        ('mqtt.url = "off"\nfleet.lease_topic = "leases"\n', "needs a broker that all hosts share"),
        (
            'mqtt.url = "mqtt://broker"\nmqtt.base_topic = "home"\nfleet.lease_topic = "home/a"\n',
            "is below the `base_topic` 'home'",
        ),
        ('mqtt.url = "mqtt://broker"\nfleet.lease_topic = "a b"\n', "letters, digits"),
    ],
)
def test_hosts_agree_on_leases_where_all_of_them_hear_it(text: str, wrong: str) -> None:
    (mistake,) = mistakes(text)
    assert f"t.toml:{text.count(chr(10))}: [fleet]: `lease_topic`" in mistake
    assert wrong in mistake
    assert parse('mqtt.url = "mqtt://broker"\nfleet.lease_topic = "leases"\n').fleet.is_off
