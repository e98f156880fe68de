# SPDX-License-Identifier: MIT
"""Sessions with the names that people know."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tenuto.config import Config
    from tenuto.history import SessionRow, StoredSession


def titled(config: Config, session: StoredSession) -> StoredSession:
    """Return a session with what people call its wearable and its person, instead of their ids."""
    return replace(session, row=titled_row(config, session.row))


def titled_row(config: Config, row: SessionRow) -> SessionRow:
    """Return the row of a session likewise."""
    wearable = next((one.title for one in config.wearables if one.id == row.wearable), row.wearable)
    return replace(row, wearable=wearable, person=config.person_title(row.person))
