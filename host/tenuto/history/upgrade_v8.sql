-- SPDX-License-Identifier: MIT
-- From version 8 to 9: outlines of sessions.

-- Outlines of sessions that have ended: derived from all else, made anew whenever one is missing.
-- `outlines.sql` takes one away when something comes in that it follows from.
CREATE TABLE outlines (
    id      INTEGER PRIMARY KEY REFERENCES sessions ON DELETE CASCADE,
    version INTEGER,                     -- of what made it
    is_held INTEGER,                     -- 1: with a hold that was held to its end
    data    TEXT                         -- see tenuto.history.outlines
) STRICT;
