-- SPDX-License-Identifier: MIT
-- From version 7 to 8: what people are to do.

-- What people are to do: a routine, on days of the week, from one day to another.
CREATE TABLE prescriptions (
    prescription_id TEXT PRIMARY KEY CHECK (length(prescription_id) = 16), -- random, hexadecimal
    person_id       TEXT NOT NULL,
    routine         TEXT NOT NULL,       -- as in sessions
    title           TEXT NOT NULL,       -- what people call the routine
    days            TEXT NOT NULL,       -- mon,wed,fri; empty for any
    times_a_week    INTEGER NOT NULL,
    first_day       TEXT NOT NULL,       -- 2026-11-30, in the time zone of whoever looks
    last_day        TEXT NOT NULL,
    assigned_by     TEXT NOT NULL,       -- empty where not known
    assigned_utc_ms INTEGER NOT NULL,
    note            TEXT NOT NULL,
    ended_utc_ms    INTEGER              -- NULL while it was not ended before its last day
) STRICT, WITHOUT ROWID;
