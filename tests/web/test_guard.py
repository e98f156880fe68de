# SPDX-License-Identifier: MIT
"""Who reaches the page, by which way, and what they can do there."""

from __future__ import annotations

import asyncio
import gzip
import re
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tenuto import config
from tenuto.errors import InputError
from tenuto.history.adherence import day_of
from tenuto.history.prescription import DAYS
from tenuto.sessions.commands import CLASS, Command, Preference, Verb
from tenuto.web import guard, now
from tests.history.prescribed import prescription
from tests.patience import patience_s, until
from tests.web.rig import key_of, served

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.real_time

BUDGET_BYTES = 60_000


async def test_a_stranger_sees_nothing_and_changes_nothing(tmp_path: Path) -> None:
    async with (
        served(tmp_path, connected=False) as one,
        aiohttp.ClientSession(one.address) as client,
    ):
        for path in ("", "events", "do", "routines", "history"):
            async with client.get(f"/{path}") as answer:
                assert answer.status in (401, 404, 405)
                assert "Anna" not in await answer.text()
        async with client.post("/do", data={"operation": "start", "wearable": "wrist"}) as answer:
            assert answer.status == 401
        assert not one.host.hub.is_playing


@pytest.mark.parametrize(
    "method, headers, status",
    [("get", {"Cookie": "{name}=\udcff.abc"}, 401), ("post", {"X-Tenuto-Key": "\udcff"}, 403)],
)
async def test_bytes_that_are_no_text_are_nobodys_secret(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        (cookie,) = client.cookie_jar
        place = one.address.partition("://")[2].rstrip("/")
        host, _, port = place.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        lines = [f"{method.upper()} /do HTTP/1.1", f"Host: {place}"]
        told = {"Cookie": f"{cookie.key}={cookie.value}", "Connection": "close", **headers}
        lines += [f"{name}: {value.format(name=cookie.key)}" for name, value in told.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode(errors="surrogateescape"))
        async with asyncio.timeout(patience_s(5)):
            answer = await reader.readline()
        writer.close()
        assert answer.split()[1] == str(status).encode()
        assert "Traceback" not in caplog.text


async def test_a_class_of_nobody_is_not_started(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        form = {"key": await key_of(client), "operation": "start"}
        async with client.post("/class/do", data=form) as answer:
            assert "Tick who takes part" in await answer.text()
        assert one.host.classes.status().state == "idle"


async def test_a_routine_that_was_set_by_its_title_is_the_one_that_is_chosen(
    tmp_path: Path,
) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        for wearable, title in (("ankle", "Hips"), (CLASS, "Box breathing")):
            wanted = Preference(wearable=wearable, name="routine", value=title)
            assert (await one.host.commands.submit(wanted)).ok
        for path, chosen in {"wearables": ["lower-back", "hips"], "class": ["breathe-box"]}.items():
            async with client.get(f"/{path}") as answer:
                text = await answer.text()
                assert re.findall(r'<option value="([\w-]+)" selected>', text) == chosen
                assert ('value="planks"' in text) == (path != "class"), "no class can play it"


async def test_what_is_prescribed_and_not_on_this_computer_is_told(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        today = day_of(round(one.host.time.utc_ms()))
        elsewhere = prescription(
            person="anna",
            routine="kneeling",
            title="Kneeling",
            days=DAYS,
            times_a_week=len(DAYS),
            first=today,
            last=today,
        )
        await one.host.store.prescribing.add(elsewhere)
        async with client.get("/history") as answer:  # which looks
            assert answer.status == 200
        async with client.get("/") as answer:
            text = await answer.text()
    assert "Due today: <b>Kneeling (this computer does not have it)</b>" in text
    assert "Whoever prescribed it can share the routine" in text


async def test_an_address_that_is_none_leads_back(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        for path, words in {
            "none/such": "There is no page at this address.",
            "history/99": "There is no session 99.",
        }.items():
            async with client.get(f"/{path}") as answer:
                assert answer.status == 404
                text = await answer.text()
                assert words in text
                assert '<a href="routines">' in text


@pytest.mark.parametrize(
    "fault, status, words",
    [
        (KeyError("inside"), 500, "This failed inside Tenuto; its log says where."),
        (TimeoutError(), 504, "This took too long; try it once more."),
    ],
)
async def test_a_fault_inside_is_a_page_and_no_riddle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, status: int, words: str
) -> None:
    def fails(*_: object) -> None:
        raise fault

    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        monkeypatch.setattr(now, "is_first_run", fails)
        async with client.get("/") as answer:
            assert answer.status == status
            text = await answer.text()
            assert words in text
            assert '<a href="routines">' in text
        async with client.get("/routines") as answer:
            assert answer.status == 200


async def test_a_link_lets_one_browser_in_once(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one:
        link = one.link()
        for status in (200, 403):
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(cookie_jar=jar) as client, client.get(link) as answer:
                assert answer.status == status
                cookies = [cookie for cookie in jar if cookie.key.startswith("tenuto-")]
                assert len(cookies) == (status == 200)
                assert all(cookie["httponly"] for cookie in cookies)


async def test_a_page_of_somebody_else_can_neither_read_nor_send(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        # A name of theirs that leads to this computer.
        async with client.get("/", headers={"Host": "evil.example:8368"}) as answer:
            assert answer.status == 421
            assert "Anna" not in await answer.text()
        # A form of theirs, which the browser sends with the cookie.
        form = {"operation": "start", "wearable": "wrist"}
        for headers in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {},  # without what only the page's own forms know
        ):
            async with client.post("/do", data=form, headers=headers) as answer:
                assert answer.status == 403
        assert not one.host.hub.is_playing


async def test_every_page_is_there_where_a_wearable_cannot_be_kept(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        await one.host.hub.remove("wrist")
        for path in ("", "routines", "history", "wearables", "learn", "class", "start"):
            async with client.get(f"/{path}") as answer:
                assert answer.status == 200, path


async def test_a_form_that_is_none_is_refused(tmp_path: Path) -> None:
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=a"
    async with (
        served(tmp_path, connected=False) as one,
        one.visitor() as owner,
        aiohttp.ClientSession(one.address) as stranger,
    ):
        for client, path in ((stranger, "/login"), (owner, "/do"), (owner, "/routines/a/edit")):
            for kind, body in (
                (form, b"code=\xff"),
                (f"{form}; charset=none-such", b"code=a"),
                (parts, b"--a\r\n\xff\r\n\r\n"),
                (parts, b"no part"),
            ):
                headers = {"Content-Type": kind}
                async with client.post(path, data=body, headers=headers) as answer:
                    assert answer.status in (400, 403), (path, kind, body)


async def test_a_stop_comes_through_whatever_else_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "CHANGES_PER_S", 0.0)  # so that a slow machine is as fast as others
    async with served(tmp_path) as one, one.visitor() as client:
        form = {"key": await key_of(client), "wearable": "wrist"}
        band = one.host.hub.supervisors["wrist"]
        async with client.post("/do", data=form | {"operation": "start"}) as answer:
            assert answer.status == 200
        await until(lambda: band.playing)
        statuses = set()
        while 429 not in statuses:
            async with client.post("/routines/lower-back/change", data=form) as answer:
                statuses.add(answer.status)
        for path in ("/do", "/class/do"):
            async with client.post(path, data=form | {"operation": "pause"}) as answer:
                assert answer.status == 429
        async with client.post("/do", data=form | {"operation": "stop", "key": "no"}) as answer:
            assert answer.status == 403
        assert band.playing
        async with client.post("/do", data=form | {"operation": "stop"}) as answer:
            assert answer.status == 200, "a stop is never too much"
        await until(lambda: not band.playing)


async def test_every_answer_forbids_foreign_scripts_and_frames(tmp_path: Path) -> None:
    async with served(tmp_path, connected=False) as one, one.visitor() as client:
        for path in ("/", "/login", "/static/app.js", "/nothing"):
            async with client.get(path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_heart_rate_goes_to_its_owner_and_not_to_others(tmp_path: Path) -> None:
    async def hearts(client: aiohttp.ClientSession, until: set[str]) -> set[str]:
        heard: set[str] = set()
        async with client.get("/events") as stream:
            while not heard >= until:
                event, data = b"", b""
                while (line := await stream.content.readline()) not in (b"\n", b""):
                    event = line if line.startswith(b"event") else event
                    data = line if line.startswith(b"data") else data
                if b"heart" in event:
                    heard.add("wrist" if b'"wrist"' in data else "ankle")
        return heard

    async with (
        served(tmp_path) as one,
        one.visitor() as owner,
        one.visitor("ben") as ben,
        asyncio.timeout(patience_s(30)),
    ):
        for wearable in ("wrist", "ankle"):
            started = await one.host.commands.submit(Command(wearable=wearable, verb=Verb.START))
            assert started.ok
        everyone, own = await asyncio.gather(
            hearts(owner, {"wrist", "ankle"}), hearts(ben, {"ankle"})
        )
        assert everyone == {"wrist", "ankle"}
        assert own == {"ankle"}
        async with ben.get("/") as answer:
            page = await answer.text()
        assert page.count('class="heart"') == 1


@pytest.mark.parametrize("listen", ["0.0.0.0:8368", "[::]:8368", "192.168.1.2:8368"])
def test_it_is_not_in_the_network_in_the_clear(listen: str) -> None:
    with pytest.raises(InputError, match="others could read along"):
        config.parse(f'[web]\nlisten = "{listen}"\n', "t.toml")
    config.parse(f'[web]\nlisten = "{listen}"\nbehind_proxy = true\n', "t.toml")


@pytest.mark.parametrize(
    "wrong", ["127.0.0.1", ":80", "127.0.0.1:99999", "unix://x", "http://127.0.0.1:1", ""]
)
def test_a_wrong_place_is_told_with_its_line(wrong: str) -> None:
    with pytest.raises(InputError, match=r"t\.toml:2.*`listen`"):
        config.parse(f'[web]\nlisten = "{wrong}"\n', "t.toml")


async def test_a_socket_of_its_own_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    async with served(tmp_path, connected=False, listen=f"unix://{path}"):
        assert path.stat().st_mode & 0o777 == 0o600
        connector = aiohttp.UnixConnector(str(path))
        async with (
            aiohttp.ClientSession("http://localhost", connector=connector) as client,
            client.get("/") as answer,
        ):
            assert answer.status == 401


async def test_a_taken_port_ends_nothing(tmp_path: Path) -> None:
    async with served(tmp_path / "a", connected=False) as one:
        port = one.address.rpartition(":")[2].strip("/")
        async with served(tmp_path / "b", connected=False, listen=f"127.0.0.1:{port}") as other:
            assert other.address not in ("", one.address)


async def test_what_a_browser_loads_is_small(tmp_path: Path) -> None:
    from tenuto.web.server import _assets

    assert sum(len(gzip.compress(body)) for body, _ in _assets().values()) <= BUDGET_BYTES
    async with (
        served(tmp_path, connected=False) as one,
        aiohttp.ClientSession(one.address) as client,
    ):
        async with client.get("/static/app.js") as answer:
            tag = answer.headers["ETag"]
        async with client.get("/static/app.js", headers={"If-None-Match": tag}) as answer:
            assert answer.status == 304
        for path in ("/static/..%2f..%2ferrors.py", "/static/none.js"):
            async with client.get(path) as answer:
                assert answer.status == 404


async def test_home_assistant_lets_its_users_in_and_nobody_else_is_answered(tmp_path: Path) -> None:
    """Behind the supervisor: no prefix any more, the browser's host, a user that is known."""
    headers = {"Host": "homeassistant.local:8123", "X-Remote-User-Id": "a1"}
    web = {"listen": "127.0.0.1:0", "ingress": "127.0.0.1"}
    async with (
        served(tmp_path, connected=False, **web) as one,
        aiohttp.ClientSession(one.address, headers=headers) as client,
    ):
        async with client.get("/") as answer:
            page = await answer.text()
        assert (answer.status, "Anna" in page) == (200, True)
        assert not re.search(r'(?:href|src|action)="/', page), "links behind a prefix are relative"
        form = {"operation": "start", "wearable": "wrist", "key": await key_of(client)}
        other = {"X-Remote-User-Id": "b2"}
        async with client.post("/do", data=form, headers=other) as answer:
            assert answer.status == 403, "the form of another user"
        foreign = {"Origin": "https://evil.example"}
        async with client.post("/do", data=form, headers=foreign) as answer:
            assert answer.status == 403
        assert not one.host.hub.is_playing

    web = {"listen": "127.0.0.1:0", "ingress": "172.30.32.2"}
    async with (
        served(tmp_path, connected=False, **web) as one,
        aiohttp.ClientSession(one.address, headers=headers) as client,
    ):
        for path in ("/", "/login", "/static/app.js", "/events"):
            async with client.get(path) as answer:
                assert answer.status == 403
                assert "Anna" not in await answer.text()


@pytest.mark.parametrize("wrong", ["supervisor", "172.30.32", "172.30.32.2/24", ""])
def test_ingress_is_the_address_of_one_computer(wrong: str) -> None:
    with pytest.raises(InputError, match=r"t\.toml:3.*`ingress`"):
        config.parse(f'[web]\nlisten = "0.0.0.0:8099"\ningress = "{wrong}"\n', "t.toml")
    config.parse('[web]\nlisten = "0.0.0.0:8099"\ningress = "172.30.32.2"\n', "t.toml")
