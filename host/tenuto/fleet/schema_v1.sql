-- SPDX-License-Identifier: MIT
-- The central history, version 1. What is not explained here is as in SQLite's schema, whose
-- statements these tables take. Texts are compared byte by byte, as SQLite does.

CREATE TABLE plans (
    plan_id TEXT COLLATE "C" PRIMARY KEY CHECK (length(plan_id) = 16),
    routine TEXT COLLATE "C" NOT NULL,
    data    BYTEA NOT NULL
);

CREATE TABLE exercises (
    plan_id TEXT COLLATE "C" NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    muscles TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (plan_id, name)
);

CREATE TABLE persons (
    person_id       TEXT COLLATE "C" PRIMARY KEY,
    label           TEXT COLLATE "C" NOT NULL,
    labelled_utc_ms BIGINT NOT NULL,
    same_as         TEXT COLLATE "C",
    is_here         SMALLINT NOT NULL
);

CREATE TABLE known_boots (
    stand_in TEXT COLLATE "C" NOT NULL,
    boot_id  BIGINT NOT NULL,
    device   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (stand_in, boot_id)
);

-- The number of a session begins with the month in which it was first known to have begun, so that
-- its records, which carry that number, lie in the partition of one month for good: 2611 and eight
-- digits for November 2026. A key over all partitions has to have it in it.
CREATE SEQUENCE session_numbers MAXVALUE 99999999;

CREATE TABLE sessions (
    id             BIGINT PRIMARY KEY,
    device         TEXT COLLATE "C" NOT NULL,
    boot_id        BIGINT NOT NULL,
    seq            BIGINT NOT NULL,
    wearable       TEXT COLLATE "C" NOT NULL DEFAULT '',
    person_id      TEXT COLLATE "C",
    is_simulated   SMALLINT NOT NULL DEFAULT 0,
    plan_id        TEXT COLLATE "C",
    routine        TEXT COLLATE "C",
    started_utc_ms BIGINT NOT NULL,
    ended_utc_ms   BIGINT,
    reason         TEXT COLLATE "C",
    source         TEXT COLLATE "C",
    UNIQUE (device, boot_id, seq)
);

CREATE INDEX sessions_started ON sessions (started_utc_ms);
CREATE INDEX sessions_person ON sessions (person_id, started_utc_ms);
CREATE INDEX sessions_plan ON sessions (plan_id);

CREATE TABLE records (
    device     TEXT COLLATE "C" NOT NULL,
    boot_id    BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    session_id BIGINT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    at_ms      BIGINT NOT NULL,
    kind       SMALLINT NOT NULL,
    step       SMALLINT NOT NULL,
    a          INTEGER NOT NULL,
    b          BIGINT NOT NULL,
    c          BIGINT NOT NULL,
    utc_ms     BIGINT NOT NULL,
    uncertainty_ms BIGINT,
    PRIMARY KEY (session_id, device, boot_id, seq)
) PARTITION BY RANGE (session_id);

CREATE FUNCTION number_session() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    month BIGINT := to_char(to_timestamp(new.started_utc_ms / 1000) AT TIME ZONE 'UTC', 'YYMM');
BEGIN
    new.id := month * 100000000 + nextval('session_numbers');
    IF to_regclass('records_' || lpad(month::text, 4, '0')) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %I PARTITION OF records FOR VALUES FROM (%s) TO (%s)',
            'records_' || lpad(month::text, 4, '0'), month * 100000000, (month + 1) * 100000000
        );
    END IF;
    RETURN new;
END $$;

CREATE TRIGGER number_session BEFORE INSERT ON sessions
FOR EACH ROW EXECUTE FUNCTION number_session();

CREATE TABLE host_events (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id BIGINT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    t_ms       BIGINT NOT NULL,
    utc_ms     BIGINT NOT NULL,
    data       TEXT COLLATE "C" NOT NULL,
    UNIQUE (session_id, t_ms, data)
);

CREATE TABLE cue_results (
    result_id    TEXT COLLATE "C" PRIMARY KEY CHECK (length(result_id) = 16),
    person_id    TEXT COLLATE "C",
    device       TEXT COLLATE "C" NOT NULL,
    wearable     TEXT COLLATE "C" NOT NULL,
    is_simulated SMALLINT NOT NULL,
    utc_ms       BIGINT NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    data         TEXT COLLATE "C" NOT NULL
);

-- Deletions have numbers in one row, by which hosts take them over. One process at a time writes
-- here, so a number that can be seen has none before it that cannot.
CREATE SEQUENCE deletion_numbers;

CREATE TABLE deleted (
    device   TEXT COLLATE "C" NOT NULL,
    boot_id  BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    number   BIGINT NOT NULL DEFAULT nextval('deletion_numbers'),
    PRIMARY KEY (device, boot_id, seq)
);

CREATE TABLE deleted_results (
    result_id TEXT COLLATE "C" PRIMARY KEY,
    number    BIGINT NOT NULL DEFAULT nextval('deletion_numbers')
);

CREATE TABLE deleted_persons (
    digest TEXT COLLATE "C" PRIMARY KEY,
    number BIGINT NOT NULL DEFAULT nextval('deletion_numbers')
);

CREATE VIEW deletions WITH (security_invoker = true) AS
SELECT number, 'deleted' AS kind, device AS subject, boot_id, seq, last_seq FROM deleted
UNION ALL SELECT number, 'deleted_result', result_id, 0, 0, 0 FROM deleted_results
UNION ALL SELECT number, 'deleted_person', digest, 0, 0, 0 FROM deleted_persons;

-- What hosts sent and `tenuto fleet ingest` has not joined yet.
CREATE TABLE inbox (
    number      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host        TEXT NOT NULL,
    role        NAME NOT NULL DEFAULT session_user,
    sent_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    lines       TEXT NOT NULL,           -- see `tenuto.history.jsonlines`
    why_refused TEXT                     -- NULL while it is to be joined
);

CREATE INDEX inbox_waiting ON inbox (number) WHERE why_refused IS NULL;

-- What each host says of itself.
CREATE TABLE hosts (
    host     TEXT NOT NULL,
    role     NAME NOT NULL DEFAULT session_user,
    waiting  BIGINT NOT NULL,            -- sessions and more that it has not sent
    since    TIMESTAMPTZ,                -- of the oldest of them
    heard_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (host, role)
);

CREATE FUNCTION instr(text, text) RETURNS integer LANGUAGE sql IMMUTABLE AS
$$ SELECT strpos($1, $2) $$;
