-- SPDX-License-Identifier: MIT
-- The whole schema, version 9. Times are ms since 1970 in UTC unless said otherwise.

CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY CHECK (length(plan_id) = 16),  -- hexadecimal
    routine TEXT NOT NULL,
    data    BLOB NOT NULL                                   -- as tenuto_core.plan writes it
) STRICT;

-- What the routine said of a plan's exercises, which the plan itself does not carry.
CREATE TABLE exercises (
    plan_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,               -- stretch or strength
    muscles TEXT NOT NULL,               -- a JSON list of names
    PRIMARY KEY (plan_id, name)
) STRICT, WITHOUT ROWID;

-- People. Who has two rows of one label here was met on two hosts, and nobody said that they are one.
CREATE TABLE persons (
    person_id       TEXT PRIMARY KEY,    -- random; name:LABEL for those of before version 5
    label           TEXT NOT NULL,       -- what the configuration calls them
    labelled_utc_ms INTEGER NOT NULL,    -- since when; of two labels the later one holds
    same_as         TEXT,                -- the person_id of whom they turned out to be
    is_here         INTEGER NOT NULL     -- 1: the label in this host's configuration means them
) STRICT, WITHOUT ROWID;

-- Which device it was that sessions of a boot were kept under another text for.
CREATE TABLE known_boots (
    stand_in TEXT NOT NULL,
    boot_id  INTEGER NOT NULL,
    device   TEXT NOT NULL,
    PRIMARY KEY (stand_in, boot_id)
) STRICT, WITHOUT ROWID;

-- A row is made by whatever comes first; what it does not know is NULL until it is known.
-- AUTOINCREMENT: the number of a deleted session never comes back for another one.
CREATE TABLE sessions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    device         TEXT NOT NULL,        -- see tenuto.sessions.device
    boot_id        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,     -- log number of its session_started
    wearable       TEXT NOT NULL DEFAULT '', -- what the configuration called the device
    person_id      TEXT,
    is_simulated   INTEGER NOT NULL DEFAULT 0, -- 1: counts for nobody
    plan_id        TEXT,                 -- the plan itself may be missing
    routine        TEXT,
    started_utc_ms INTEGER NOT NULL,     -- of its first known record
    ended_utc_ms   INTEGER,
    reason         TEXT,
    source         TEXT,
    UNIQUE (device, boot_id, seq)
) STRICT;

CREATE INDEX sessions_started ON sessions (started_utc_ms);

-- The truth: what the wearable logged, as it logged it. Everything else follows from it.
CREATE TABLE records (
    device     TEXT NOT NULL,
    boot_id    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    at_ms      INTEGER NOT NULL,         -- the wearable's clock, modulo 2**32
    kind       INTEGER NOT NULL,         -- tenuto_core.vocab.RECORDS
    step       INTEGER NOT NULL,
    a          INTEGER NOT NULL,
    b          INTEGER NOT NULL,
    c          INTEGER NOT NULL,
    utc_ms     INTEGER NOT NULL,
    uncertainty_ms INTEGER,              -- of utc_ms; NULL where not known
    PRIMARY KEY (device, boot_id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX records_session ON records (session_id, seq);

-- What only the host noticed, such as a lost link.
CREATE TABLE host_events (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    t_ms       INTEGER NOT NULL,         -- since the session began
    utc_ms     INTEGER NOT NULL,
    data       TEXT NOT NULL,            -- the JSON form of tenuto.sessions.events
    UNIQUE (session_id, t_ms, data)
) STRICT;

-- Sessions that were deleted, or are none, as trials of cues: their records may still be on the
-- wearable and must not come back.
CREATE TABLE deleted (
    device   TEXT NOT NULL,
    boot_id  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,           -- as in sessions
    last_seq INTEGER NOT NULL,           -- the highest number of its records
    PRIMARY KEY (device, boot_id, seq)
) STRICT, WITHOUT ROWID;

-- What quizzes about cues, measurements of strength and lessons came to.
CREATE TABLE cue_results (
    result_id    TEXT PRIMARY KEY CHECK (length(result_id) = 16), -- random, hexadecimal
    person_id    TEXT,                   -- NULL where not known, and for simulated people
    device       TEXT NOT NULL,          -- as in sessions
    wearable     TEXT NOT NULL,
    is_simulated INTEGER NOT NULL,       -- 1: the person or the device was
    utc_ms       INTEGER NOT NULL,       -- when it ended
    kind         TEXT NOT NULL,          -- quiz, strength or lesson
    data         TEXT NOT NULL           -- the JSON form of tenuto.cues.results
) STRICT, WITHOUT ROWID;

-- What people are to do: a routine, on days of the week, from one day to another.
CREATE TABLE prescriptions (
    prescription_id TEXT PRIMARY KEY,    -- random, hexadecimal
    person_id       TEXT NOT NULL,
    utc_ms          INTEGER NOT NULL,    -- when it was assigned
    ended_utc_ms    INTEGER,             -- NULL while it was not ended before its last day
    data            TEXT NOT NULL        -- the JSON form of tenuto.history.prescription
) STRICT, WITHOUT ROWID;

-- Results that were deleted, and must not come back by an import.
CREATE TABLE deleted_results (
    result_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What the broker has not acknowledged yet, in the order in which it happened. The ids are given by
-- the bridge, so that a message can be on its way before it is in here.
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    utc_ms  INTEGER NOT NULL,            -- when what it tells happened
    topic   TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;

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

-- Outlines of sessions that have ended: derived from all else, made anew whenever one is missing.
-- `outlines.sql` takes one away when something comes in that it follows from.
CREATE TABLE outlines (
    id      INTEGER PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    version INTEGER,                     -- of what made it
    is_held INTEGER,                     -- 1: with a hold that was held to its end
    data    TEXT                         -- see tenuto.history.outlines
) STRICT;
