-- SPDX-License-Identifier: MIT
-- From version 1 to 2: the outbox.

-- What the broker has not acknowledged yet, in the order in which it happened. The ids are given by
-- the bridge, so that a message can be on its way before it is in here.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    utc_ms  INTEGER NOT NULL,            -- when what it tells happened
    topic   TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;
