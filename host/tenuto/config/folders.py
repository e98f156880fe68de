# SPDX-License-Identifier: MIT
"""Where the user's own files are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import PlatformDirs
from platformdirs.macos import MacOS

from tenuto.errors import InputError

if TYPE_CHECKING:
    from platformdirs import PlatformDirsABC


@dataclass(frozen=True, slots=True)
class Folders:
    """The user's folders for Tenuto, by the convention of the platform."""

    config: Path
    data: Path


def own_folders(dirs: type[PlatformDirsABC] = PlatformDirs) -> Folders:
    """Return the folders of the user who runs this.

    The state of the daemon stays beside the history and not in a state folder: the service file
    that users have installed lets it write nowhere else, and each history has its own state.

    Args:
        dirs: The conventions of the platform; those of this one where nothing else is said.

    Raises:
        InputError: If the user has no home folder, and no variables that make up for it.
    """
    try:
        config = dirs("tenuto", appauthor=False, roaming=True).user_config_path
        data = dirs("tenuto", appauthor=False).user_data_path
        if issubclass(dirs, MacOS) and not (config.exists() and data.exists()):
            # Tenuto's own folders did not heed the XDG variables on macOS; what is there stays.
            earlier = Path("~/Library/Application Support/tenuto").expanduser()
            if earlier.is_dir():
                config = config if config.exists() else earlier
                data = data if data.exists() else earlier
    except RuntimeError:
        raise InputError(
            "your home folder is not known: set HOME, or XDG_CONFIG_HOME and XDG_DATA_HOME"
        ) from None
    return Folders(config, data)
