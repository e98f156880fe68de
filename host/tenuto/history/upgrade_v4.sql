-- SPDX-License-Identifier: MIT
-- From version 4 to 5: sessions belong to a device and a person, whatever these are called.
-- Older versions kept what the configuration called both, and nothing else. So the device is
-- name:WEARABLE and the person is name:LABEL: the same text on every host that has the session.
-- The wearable that is built in for trying things out is called simulated, and is that.

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

INSERT INTO persons
SELECT DISTINCT 'name:' || person, person, 0, NULL, 1 FROM sessions WHERE person IS NOT NULL;

ALTER TABLE sessions RENAME COLUMN wearable TO device;
ALTER TABLE sessions RENAME COLUMN person TO person_id;
ALTER TABLE sessions ADD COLUMN wearable TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN is_simulated INTEGER NOT NULL DEFAULT 0;
UPDATE sessions SET wearable = device, device = 'name:' || device,
    person_id = 'name:' || person_id, is_simulated = (device = 'simulated');

ALTER TABLE records RENAME COLUMN wearable TO device;
UPDATE records SET device = 'name:' || device;

ALTER TABLE deleted RENAME COLUMN wearable TO device;
UPDATE deleted SET device = 'name:' || device;
