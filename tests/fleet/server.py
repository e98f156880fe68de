# SPDX-License-Identifier: MIT
"""A PostgreSQL of a test run's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import psycopg

from tenuto.fleet.postgres import PostgresDatabase
from tenuto.fleet.schema import set_up
from tests.patience import patience_s

PLACES = "usr/lib/postgresql/*/bin"
"""Where Debian has the programs of each version, out of PATH."""
PART = Path(__file__).resolve().parents[2] / ".parts" / "postgresql" / "bin"
"""Where `make setup-test` puts them on a computer without."""
START_TIMEOUT_S = 60
OWNER = "owner"
_TEMPLATE = "template_of_tenuto"
# Nothing here has to survive a power cut.
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB")


def find_programs() -> Path | None:
    """Return the folder with the programs of the newest PostgreSQL here; None without one."""
    folders = [path.as_posix() for path in sorted(Path("/").glob(PLACES), reverse=True)]
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath), str(PART)])
    found = shutil.which("initdb", path=path)
    return None if found is None else Path(found).resolve().parent


class PostgresServer:
    """One server, reached by a socket in its own folder; each test has a database of its own.

    Args:
        programs: The folder with `initdb` and `pg_ctl`.
    """

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tenuto-pg-"))
        self._programs = programs
        self._numbers = count(1)
        # PostgreSQL refuses to run as root.
        self._as: list[str] = []
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._as = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}"]
            self._as.append("--clear-groups")

    def start(self) -> None:
        """Make the server and the template of the databases."""
        self.start_empty()
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_TEMPLATE}")
        with psycopg.connect(self.url(_TEMPLATE), autocommit=True) as connection:
            set_up(PostgresDatabase(connection))
            for role in ("host", "therapist", "person"):
                connection.execute(f"CREATE ROLE a_{role} LOGIN IN ROLE tenuto_{role}")

    def start_empty(self) -> None:
        """Make the server, as on a new computer: there is only its owner."""
        data = self.folder / "data"
        self.run("initdb", "-D", data, "-U", OWNER, "-A", "trust", "-N", "-E", "UTF8")
        self.start_again()

    def start_again(self) -> None:
        """Start the server with what it has."""
        options = " ".join(
            (f"-k {self.folder}", "-c listen_addresses=''", *(f"-c {one}" for one in _FAST))
        )
        data, log = self.folder / "data", self.folder / "log"
        self.run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")

    def stop(self) -> None:
        """End the server, as a computer that goes."""
        self.run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        """End the server, and delete all that it has."""
        self.stop()
        shutil.rmtree(self.folder)

    def database(self) -> str:
        """Make a database with an empty central history; return its address, for the owner."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return self.url(name)

    def url(self, database: str, user: str = OWNER) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program of PostgreSQL to its end, in its folder and as its user."""
        done = subprocess.run(
            [*self._as, self._programs / program, *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=patience_s(START_TIMEOUT_S),
        )
        if done.returncode:
            message = f"{program} failed: {done.stderr}"
            raise RuntimeError(message)


def as_user(url: str, user: str) -> str:
    """Return the address of a database for another user."""
    return url.replace(f"//{OWNER}@", f"//{user}@")
