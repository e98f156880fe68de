# SPDX-License-Identifier: MIT
"""Fresh Debians in folders: made by mmdebstrap, kept in `.parts/roots`, entered as root.

The index, the certificates and the name servers of this computer are for the trial only; nothing
else of it is inside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conftest import PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOTS = PARTS / "roots"
MAKE_TIMEOUT_S = 900
RUN_TIMEOUT_S = 1_200
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_INSIDE = Path("/etc/trial-certificates.crt")
_OF_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL")


class StepError(Exception):
    """A command in a Debian failed; with what it said."""


def reason_against() -> str | None:
    """Return why no Debian can be made here, None if one can."""
    if os.geteuid() != 0:
        return "only root can enter another Debian"
    missing = [name for name in ("mmdebstrap", "unshare", "tar") if shutil.which(name) is None]
    return f"install {' and '.join(missing)}" if missing else None


@dataclass
class Debian:
    """A Debian in a folder.

    Attributes:
        folder: Its root.
        environ: What each command finds in its environment, besides a path.
    """

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @classmethod
    def fresh(cls, suite: str, folder: Path) -> Debian:
        """Unpack a minimal one; it is made the first time."""
        kept = ROOTS / f"{suite}.tar"
        if not kept.is_file():
            ROOTS.mkdir(parents=True, exist_ok=True)
            new = kept.with_suffix(".new.tar")
            command = ["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"]
            if suite == "sid":  # a mirror of the past is good enough
                command.append('--aptopt=Acquire::Check-Valid-Until "false"')
            subprocess.run([*command, suite, str(new)], check=True, timeout=MAKE_TIMEOUT_S)
            new.rename(kept)
        folder.mkdir(parents=True)
        tar = ["tar", "--extract", "--numeric-owner", "--file", str(kept)]
        tar += ["--directory", str(folder)]
        subprocess.run(tar, check=True, timeout=MAKE_TIMEOUT_S)
        made = cls(folder)
        for name in ("resolv.conf", "hosts"):
            (folder / "etc" / name).unlink(missing_ok=True)
            shutil.copy(f"/etc/{name}", folder / "etc" / name)
        if CERTIFICATES.is_file():
            shutil.copy(CERTIFICATES, made.inside(_INSIDE))
            made.environ |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), str(_INSIDE))
        made.environ |= {name: os.environ[name] for name in _OF_PIP if name in os.environ}
        made.environ["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        return made

    def inside(self, path: str | Path) -> Path:
        """Return where a path of it is, seen from here."""
        return self.folder / str(path).lstrip("/")

    def command(
        self, *words: str, user: str = "root", at: str = "/", environ: Mapping[str, str] = {}
    ) -> list[str]:
        """Return what runs a command in it, by processes that end with it."""
        settings = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
            **self.environ,
            **environ,
        }
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
            *(f"--mount-proc={self.inside('proc')}", "chroot", f"--userspec={user}"),
            *(str(self.folder), "env", "--ignore-environment", f"--chdir={at}"),
            *(f"{name}={value}" for name, value in settings.items()),
            *words,
        ]

    def run(
        self, *words: str, user: str = "root", at: str = "/", environ: Mapping[str, str] = {}
    ) -> str:
        """Run a command in it to its end, and return what it printed.

        Args:
            words: The command.
            user: Who runs it.
            at: The folder in which it runs.
            environ: More for its environment.

        Raises:
            StepError: It failed.
        """
        done = subprocess.run(
            self.command(*words, user=user, at=at, environ=environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=RUN_TIMEOUT_S,
        )
        if done.returncode:
            raise StepError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}")
        return done.stdout

    def log_in(self, user: str, line: str) -> str:
        """Run a line as somebody who has just logged in, and return what it printed."""
        keep = ",".join(self.environ)
        su = ("su", "--login", f"--whitelist-environment={keep}", "--command", line, user)
        return self.run(*su)
