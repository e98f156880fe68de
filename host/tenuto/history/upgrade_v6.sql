-- SPDX-License-Identifier: MIT
-- From version 6 to 7: what a central history is told, and people who were erased.

-- People who were erased, and must not come back from another history: digests of their ids.
CREATE TABLE deleted_persons (
    digest TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What a central history has not been told yet, in the order in which it became known; filled by
-- `forwarding.sql`. A session that is not kept any more needs no telling.
CREATE TABLE unforwarded (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,          -- session, person, result, deleted, ...
    subject      TEXT NOT NULL,          -- the device of a session, else an id
    boot_id      INTEGER NOT NULL DEFAULT 0,
    seq          INTEGER NOT NULL DEFAULT 0,
    from_seq     INTEGER NOT NULL DEFAULT 0, -- the first record of it that is to be told
    changes      INTEGER NOT NULL DEFAULT 0, -- since it was noted
    since_utc_ms INTEGER NOT NULL,
    UNIQUE (kind, subject, boot_id, seq)
) STRICT;

-- How far the deletions in the central history were taken over here: at most one row.
CREATE TABLE central_deletions (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
