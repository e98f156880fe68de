-- SPDX-License-Identifier: MIT
-- From version 2 to 3: what exercises are good for, and which sessions were deleted.

-- What the routine said of a plan's exercises, which the plan itself does not carry.
CREATE TABLE exercises (
    plan_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,               -- stretch or strength
    muscles TEXT NOT NULL,               -- a JSON list of names
    PRIMARY KEY (plan_id, name)
) STRICT, WITHOUT ROWID;

-- Sessions that were deleted: their records may still be on the wearable and must not come back.
CREATE TABLE deleted (
    wearable TEXT NOT NULL,
    boot_id  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,           -- as in sessions
    last_seq INTEGER NOT NULL,           -- the highest number of its records
    PRIMARY KEY (wearable, boot_id, seq)
) STRICT, WITHOUT ROWID;
