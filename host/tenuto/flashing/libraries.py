# SPDX-License-Identifier: MIT
"""The libraries of the board, which came with Tenuto as their makers released them."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
from pathlib import Path, PurePosixPath

from tenuto.errors import InputError
from tenuto.shipped import shipped


def load_libraries(folder: Path | None = None) -> dict[str, bytes]:
    """Return all modules of the libraries, by path as on the board's drive.

    Args:
        folder: Where they are, each with its `.dist-info`; None for those that came with Tenuto.

    Raises:
        InputError: They are not there, or a file is not the one that its makers released.
    """
    files: dict[str, bytes] = {}
    for library in importlib.metadata.distributions(path=[str(folder or shipped("circuitpython"))]):
        for path in library.files or ():
            if not _is_module(str(path)):
                continue
            data = Path(str(library.locate_file(path))).read_bytes()
            if path.hash is not None and path.hash.mode == "sha256":
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
                if digest.decode() != path.hash.value:
                    raise InputError(
                        f"{path} is not as its makers released it; install Tenuto again"
                    )
            files[str(path)] = data
    return files


def _is_module(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix == ".py" and ".." not in pure.parts and not pure.is_absolute()
