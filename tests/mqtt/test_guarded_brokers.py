# SPDX-License-Identifier: MIT
"""Mosquitto as it stands in real houses: with a password, an ACL, and TLS."""

from __future__ import annotations

import re
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenuto import mqtt
from tenuto.errors import InputError
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.broker_check import probe
from tenuto.mqtt.home_assistant import HomeAssistant
from tenuto_core import vocab
from tests.conftest import part
from tests.history.sessions import Band, whole_session
from tests.mqtt.certificates import Authority
from tests.mqtt.dashboard import dashboard
from tests.mqtt.known import InMemory
from tests.mqtt.test_bridge import Daemon, is_online, make_bridge, running
from tests.patience import patience_s, until

if TYPE_CHECKING:
    from tests.conftest import Broker, StartBroker
    from tests.mqtt.dashboard import Dashboard

pytestmark = pytest.mark.real_time

README = Path(mqtt.__file__).with_name("README.md")


def password_file(folder: Path, **users: str) -> Path:
    path = folder / "passwords"
    path.touch(mode=0o600)
    program = part("mosquitto_passwd", of="mosquitto")
    for user, password in users.items():
        subprocess.run([program, "-b", path, user, password], check=True, timeout=patience_s(30))
    return path


def acl_of_the_readme(folder: Path) -> Path:
    (block,) = re.findall(
        r"```\n(user tenuto\n.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    path = folder / "acl"
    path.write_text(block, encoding="utf-8")
    path.chmod(0o600)
    return path


def address_of(broker: Broker, **more: Any) -> BrokerAddress:
    return replace(BrokerAddress(broker.host, broker.port), **more)


async def test_the_acl_of_the_readme_gives_just_what_is_needed(
    tmp_path: Path, mosquitto_broker: StartBroker
) -> None:
    passwords = password_file(tmp_path, tenuto="a", homeassistant="b", guest="c")
    broker = mosquitto_broker(
        f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl_of_the_readme(tmp_path)}"
    )
    daemon = Daemon()
    ours = address_of(broker, user="tenuto", password="a")  # noqa: S106
    theirs = address_of(broker, user="homeassistant", password="b")  # noqa: S106
    guests = address_of(broker, user="guest", password="c")  # noqa: S106
    home = HomeAssistant(known=InMemory(), routines=lambda: ["lower-back"], settle_s=0.05)
    async with dashboard(theirs) as board, dashboard(guests) as guest:
        await board.client.subscribe("homeassistant/#", qos=1)
        async with running(make_bridge(ours, daemon.submit, home_assistant=home)) as bridge:
            await board.until(is_online)
            await board.until(lambda d: _configured(d) == {"wrist", "waist"})
            assert (await board.ask("pause"))["ok"]
            await guest.send("stop")
            assert (await board.ask('{"command": "skip", "id": "1"}'))["id"] == "1"
            band = Band()
            band.do(vocab.START)
            await bridge.handle(band.entries())
            await board.until(lambda d: len(d.all("tenuto/wrist/event")) == 3)
    assert [command.verb.value for command in daemon.got] == ["pause", "skip"]
    assert guest.now == {}


async def test_an_event_that_the_broker_refuses_is_kept_and_said_once(
    tmp_path: Path,
    mosquitto_broker: StartBroker,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tenuto.mqtt.outgoing.REFUSED_RETRY_S", 0.2)
    passwords = password_file(tmp_path, tenuto="a", homeassistant="b")
    acl = acl_of_the_readme(tmp_path)
    good = acl.read_text()
    denied = "user tenuto\ntopic deny tenuto/wrist/event\n"
    acl.write_text(good.replace("user tenuto\n", denied, 1))
    broker = mosquitto_broker(f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}")
    ours = address_of(broker, user="tenuto", password="a")  # noqa: S106
    theirs = address_of(broker, user="homeassistant", password="b")  # noqa: S106
    async with running(make_bridge(ours)) as bridge:
        async with dashboard(theirs) as board:
            await board.until(is_online)
            await bridge.handle(whole_session())
            await until(lambda: "tenuto/wrist/event: Not authorized" in caplog.text)
            await board.until(lambda d: (d.json("tenuto/wrist/session") or {})["state"] == "ended")
            assert bridge.connected
            assert board.all("tenuto/wrist/event") == []
        broker.stop()
        acl.write_text(good)
        broker.start()
        async with dashboard(theirs) as board:
            await board.until(lambda d: len(d.all("tenuto/wrist/event")) == 26)
    times_ms = [event["t_ms"] for event in board.all("tenuto/wrist/event")]
    assert times_ms == sorted(times_ms)
    assert caplog.text.count("refuses tenuto/wrist/event") == 1


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_the_doctor_sees_that_a_broker_drops_what_is_published(
    tmp_path: Path, mosquitto_broker: StartBroker, protocol: str
) -> None:
    passwords = password_file(tmp_path, tenuto="a")
    acl = tmp_path / "acl"
    acl.write_text("user tenuto\ntopic read tenuto/#\n")
    acl.chmod(0o600)
    broker = mosquitto_broker(f"allow_anonymous false\npassword_file {passwords}\nacl_file {acl}")
    ours = address_of(broker, user="tenuto", password="a", protocol=protocol)  # noqa: S106

    assert "access list" in (await probe(ours, 10) or "")


async def test_a_second_reason_of_an_outage_is_said_too(
    tmp_path: Path, mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = password_file(tmp_path, tenuto="a")
    broker = mosquitto_broker(f"allow_anonymous false\npassword_file {passwords}")
    broker.stop()
    wrong = address_of(broker, user="tenuto", password="wrong")  # noqa: S106
    async with running(make_bridge(wrong)):
        await until(lambda: "is away" in caplog.text)
        broker.start()
        await until(lambda: "check user, password" in caplog.text)


def _configured(board: Dashboard) -> set[str]:
    found = re.compile(r"homeassistant/device/tenuto_wearable_(\w+)/config")
    return {match[1] for topic in board.now if (match := found.fullmatch(topic))}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Authority(folder)


def tls(authority: Authority, *more: str) -> str:
    folder = authority.folder
    lines = [
        "allow_anonymous true",
        f"cafile {folder}/ca.crt",
        f"certfile {folder}/broker.crt",
        f"keyfile {folder}/broker.key",
    ]
    return "\n".join([*lines, *more])


async def test_tls_with_an_authority_of_ones_own(
    authority: Authority, mosquitto_broker: StartBroker
) -> None:
    authority.issue("broker", "127.0.0.1", "localhost")
    broker = mosquitto_broker(tls(authority))
    ca_file = authority.folder / "ca.crt"
    daemon = Daemon()
    address = address_of(broker, tls=True, ca_file=ca_file)
    context = ssl.create_default_context(cafile=ca_file)
    bridge = make_bridge(address, daemon.submit)
    async with dashboard(address, tls=context) as board, running(bridge):
        await board.until(is_online)
        assert (await board.ask("pause"))["ok"]


async def test_a_certificate_for_another_host_or_of_nobody_known_is_not_trusted(
    authority: Authority, mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue("broker", "elsewhere.example")
    broker = mosquitto_broker(tls(authority))
    for ca_file in (authority.folder / "ca.crt", None):
        caplog.clear()
        async with running(make_bridge(address_of(broker, tls=True, ca_file=ca_file))) as bridge:
            await until(lambda: "its certificate is not trusted" in caplog.text)
            assert not bridge.connected
        assert ("mismatch" in caplog.text) == (ca_file is not None)


async def test_a_broker_that_asks_for_a_certificate_gets_one(
    authority: Authority, mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    authority.issue("broker", "127.0.0.1")
    authority.issue("tenuto", client=True)
    broker = mosquitto_broker(tls(authority, "require_certificate true"))
    folder = authority.folder
    without = address_of(broker, tls=True, ca_file=folder / "ca.crt")
    async with running(make_bridge(without)) as bridge:
        await until(lambda: "it wants to be shown a certificate" in caplog.text)
        assert not bridge.connected
    shown = replace(
        without, certificate=folder / "tenuto.crt", certificate_key=folder / "tenuto.key"
    )
    async with running(make_bridge(shown)) as bridge:
        await until(lambda: bridge.connected)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_a_broker_by_its_socket_file(
    tmp_path: Path, mosquitto_broker: StartBroker, protocol: str
) -> None:
    passwords = password_file(tmp_path, tenuto="a")
    listener = f"password_file {passwords}\nlistener 0 {tmp_path}/mqtt.sock"
    broker = mosquitto_broker(listener)
    address = BrokerAddress.parse(f"unix://tenuto:a@{tmp_path}/mqtt.sock")
    daemon = Daemon()
    ours = make_bridge(replace(address, protocol=protocol), daemon.submit)
    async with dashboard(address) as board, running(ours) as bridge:
        await board.until(is_online)
        assert (await board.ask("pause"))["ok"]
        assert bridge.connected
        broker.stop()
        await until(lambda: not bridge.connected)
        broker.start()
        await until(lambda: bridge.connected)


async def test_what_is_wrong_with_a_socket_file_is_told(
    tmp_path: Path, mosquitto_broker: StartBroker, caplog: pytest.LogCaptureFixture
) -> None:
    passwords = password_file(tmp_path, tenuto="a")
    broker = mosquitto_broker(f"password_file {passwords}\nlistener 0 {tmp_path}/mqtt.sock")
    address = BrokerAddress.parse(f"unix://tenuto:a@{tmp_path}/mqtt.sock")
    assert await probe(address, 5) is None
    wrong = BrokerAddress.parse(f"unix://tenuto:b@{tmp_path}/mqtt.sock")
    assert "Not authorized" in str(await probe(wrong, 5))
    broker.kill()  # which leaves the file
    assert "refused" in str(await probe(address, 5))
    (tmp_path / "mqtt.sock").unlink()
    assert "No such file" in str(await probe(address, 5))
    async with running(make_bridge(address)):
        await until(lambda: "is away: [Errno 2] No such file or directory" in caplog.text)
    assert f"broker=unix://{tmp_path}/mqtt.sock" in caplog.text


async def test_files_that_are_no_certificates_are_told_at_once(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.crt"
    nonsense.write_text("nonsense", encoding="utf-8")
    address = BrokerAddress("127.0.0.1", 1, tls=True, ca_file=nonsense)
    with pytest.raises(InputError, match=r"nonsense\.crt: no certificate authority"):
        await make_bridge(address).open()
    with pytest.raises(InputError, match="no certificate with its key"):
        await make_bridge(replace(address, ca_file=None, certificate=nonsense)).open()


async def test_the_client_id_and_the_keep_alive_are_those_that_were_asked_for(
    mosquitto_broker: StartBroker,
) -> None:
    broker = mosquitto_broker()
    address = address_of(broker, client_id="my-tenuto", keepalive_s=17)
    async with running(make_bridge(address)) as bridge:
        await until(lambda: bridge.connected)
    assert re.search(r"connected from \S+ as my-tenuto \(p5, c1, k17\)", broker.log)
