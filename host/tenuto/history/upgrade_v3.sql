-- SPDX-License-Identifier: MIT
-- From version 3 to 4: how sure the time of a record is.

ALTER TABLE records ADD COLUMN uncertainty_ms INTEGER; -- of utc_ms; NULL where not known
