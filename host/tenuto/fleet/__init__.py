# SPDX-License-Identifier: MIT
"""One history of several hosts, in PostgreSQL.

Each host keeps its own history as ever and forwards it. A host may only add to an inbox;
`tenuto fleet ingest`, which runs where the central history is, joins what comes in, by the same
code by which histories are joined in SQLite.
"""

from __future__ import annotations
