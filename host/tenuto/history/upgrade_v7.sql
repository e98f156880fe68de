-- SPDX-License-Identifier: MIT
-- From version 7 to 8: what people are to do.

-- What people are to do: a routine, on days of the week, from one day to another.
CREATE TABLE prescriptions (
    prescription_id TEXT PRIMARY KEY,    -- random, hexadecimal
    person_id       TEXT NOT NULL,
    utc_ms          INTEGER NOT NULL,    -- when it was assigned
    ended_utc_ms    INTEGER,             -- NULL while it was not ended before its last day
    data            TEXT NOT NULL        -- the JSON form of tenuto.history.prescription
) STRICT, WITHOUT ROWID;
