-- SPDX-License-Identifier: MIT
-- From version 5 to 6: what people know of the cues.

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

-- Results that were deleted, and must not come back by an import.
CREATE TABLE deleted_results (
    result_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
