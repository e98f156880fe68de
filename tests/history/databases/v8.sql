-- SPDX-License-Identifier: MIT
-- A history as version 8 of the schema had it: a session from beginning to end,
-- one that was paused and stopped, one that is still going on; one more was deleted, and a person
-- was erased; a routine is prescribed.
PRAGMA application_id = 1415933557;
PRAGMA user_version = 8;
BEGIN TRANSACTION;
CREATE TABLE central_deletions (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
INSERT INTO "central_deletions" VALUES(1,3);
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
INSERT INTO "cue_results" VALUES('0123456789abcdef','name:ada','name:wrist','wrist',0,1800200000000,'lesson','{"cues": ["hold_start"], "count": 3}');
CREATE TABLE deleted (
    device TEXT NOT NULL,
    boot_id  INTEGER NOT NULL,
    seq      INTEGER NOT NULL,           -- as in sessions
    last_seq INTEGER NOT NULL,           -- the highest number of its records
    PRIMARY KEY (device, boot_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO "deleted" VALUES('name:waist',7,0,40);
CREATE TABLE deleted_persons (
    digest TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
INSERT INTO "deleted_persons" VALUES('d4c74594d841139328695756648b6bd6');
CREATE TABLE deleted_results (
    result_id TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
CREATE TABLE exercises (
    plan_id TEXT NOT NULL,
    name    TEXT NOT NULL,
    kind    TEXT NOT NULL,               -- stretch or strength
    muscles TEXT NOT NULL,               -- a JSON list of names
    PRIMARY KEY (plan_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE host_events (
    id         INTEGER PRIMARY KEY,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    t_ms       INTEGER NOT NULL,         -- since the session began
    utc_ms     INTEGER NOT NULL,
    data       TEXT NOT NULL,            -- the JSON form of tenuto.events
    UNIQUE (session_id, t_ms, data)
) STRICT;
INSERT INTO "host_events" VALUES(1,1,10000,1800000011000,'{"event": "link_lost", "t_ms": 10000}');
CREATE TABLE known_boots (
    stand_in TEXT NOT NULL,
    boot_id  INTEGER NOT NULL,
    device   TEXT NOT NULL,
    PRIMARY KEY (stand_in, boot_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (
    id      INTEGER PRIMARY KEY,
    utc_ms  INTEGER NOT NULL,            -- when what it tells happened
    topic   TEXT NOT NULL,
    payload BLOB NOT NULL
) STRICT;
INSERT INTO "outbox" VALUES(1,1800000011000,'tenuto/wrist/event',X'7B7D');
CREATE TABLE persons (
    person_id       TEXT PRIMARY KEY,    -- random; name:LABEL for those of before version 5
    label           TEXT NOT NULL,       -- what the configuration calls them
    labelled_utc_ms INTEGER NOT NULL,    -- since when; of two labels the later one holds
    same_as         TEXT,                -- the person_id of whom they turned out to be
    is_here         INTEGER NOT NULL     -- 1: the label in this host's configuration means them
) STRICT, WITHOUT ROWID;
INSERT INTO "persons" VALUES('name:ada','ada',0,NULL,1);
CREATE TABLE plans (
    plan_id TEXT PRIMARY KEY CHECK (length(plan_id) = 16),  -- hexadecimal
    routine TEXT NOT NULL,
    data    BLOB NOT NULL                                   -- as tenuto_core.plan writes it
) STRICT;
INSERT INTO "plans" VALUES('72d663cdb7fd8516','lower-back',X'5450010207000A000900270098B10100000000000000000088130000000000000000010001000001010000003075000000000000010002000301010000000000401F0000000000000300010001010101010000003075000000000000040002000201020000000000401F00000000000006000100010102010100000030750000000000000700020004FF00000000000000000000000000000900010000000000000000000002000000008400000000060000000002000000008400000000050000000002000000008400000000070101010101010101015064000000506400000050640000005064000000506400000050640000005064000000506400000050640000000A6C6F7765722D6261636B0C476C757465204272696467650E4B6E65656C696E67204C756E6765D6DCC032');
CREATE TABLE prescriptions(prescription_id TEXT PRIMARY KEY,person_id TEXT NOT NULL,utc_ms INTEGER NOT NULL,ended_utc_ms INTEGER,data TEXT NOT NULL)STRICT,WITHOUT ROWID;
INSERT INTO "prescriptions" VALUES('fedcba9876543210','name:ada',1800200000000,NULL,'{"routine": "lower-back", "title": "Lower back", "days": ["mon", "thu"], "times_a_week": 2, "first": "2026-11-30", "last": "2027-01-31", "assigned_by": "Dr. Bell", "note": "slowly"}');
CREATE TABLE records (
    device   TEXT NOT NULL,
    boot_id    INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    session_id INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    at_ms      INTEGER NOT NULL,         -- the wearable's clock, modulo 2**32
    kind       INTEGER NOT NULL,         -- tenuto_core.vocab.RECORDS
    step       INTEGER NOT NULL,
    a          INTEGER NOT NULL,
    b          INTEGER NOT NULL,
    c          INTEGER NOT NULL,
    utc_ms     INTEGER NOT NULL, uncertainty_ms INTEGER,
    PRIMARY KEY (device, boot_id, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO "records" VALUES('name:waist',2,0,2,1000,2,255,2,3445872242,377879991,1800100001000,NULL);
INSERT INTO "records" VALUES('name:waist',2,1,2,1000,3,0,0,5000,0,1800100001000,NULL);
INSERT INTO "records" VALUES('name:waist',2,2,2,1000,5,0,0,0,0,1800100001000,NULL);
INSERT INTO "records" VALUES('name:waist',2,3,2,6000,4,0,0,5000,5000,1800100006000,NULL);
INSERT INTO "records" VALUES('name:waist',2,4,2,6000,3,1,0,30000,0,1800100006000,NULL);
INSERT INTO "records" VALUES('name:waist',2,5,2,6000,5,1,2,0,0,1800100006000,NULL);
INSERT INTO "records" VALUES('name:waist',2,6,2,16000,6,1,2,10000,0,1800100016000,NULL);
INSERT INTO "records" VALUES('name:waist',2,7,2,16000,5,1,8,0,0,1800100016000,NULL);
INSERT INTO "records" VALUES('name:waist',2,8,2,20000,7,1,2,4000,0,1800100020000,NULL);
INSERT INTO "records" VALUES('name:waist',2,9,2,20000,5,1,1,0,0,1800100020000,NULL);
INSERT INTO "records" VALUES('name:waist',2,10,2,40000,5,1,4,0,0,1800100040000,NULL);
INSERT INTO "records" VALUES('name:waist',2,11,2,40000,4,1,0,30000,30000,1800100040000,NULL);
INSERT INTO "records" VALUES('name:waist',2,12,2,40000,3,2,0,8000,0,1800100040000,NULL);
INSERT INTO "records" VALUES('name:waist',2,13,2,40000,5,2,6,0,0,1800100040000,NULL);
INSERT INTO "records" VALUES('name:waist',2,14,2,48000,4,2,0,8000,8000,1800100048000,NULL);
INSERT INTO "records" VALUES('name:waist',2,15,2,48000,3,3,0,30000,0,1800100048000,NULL);
INSERT INTO "records" VALUES('name:waist',2,16,2,48000,5,3,2,0,0,1800100048000,NULL);
INSERT INTO "records" VALUES('name:waist',2,17,2,50000,4,3,3,2000,30000,1800100050000,NULL);
INSERT INTO "records" VALUES('name:waist',2,18,2,50000,13,255,513,49000,0,1800100050000,NULL);
INSERT INTO "records" VALUES('name:wrist',1,0,1,1000,2,255,2,3445872242,377879991,1800000001000,3);
INSERT INTO "records" VALUES('name:wrist',1,1,1,1000,3,0,0,5000,0,1800000001000,4);
INSERT INTO "records" VALUES('name:wrist',1,2,1,1000,5,0,0,0,0,1800000001000,5);
INSERT INTO "records" VALUES('name:wrist',1,3,1,1000,12,0,61,67109864,0,1800000001000,6);
INSERT INTO "records" VALUES('name:wrist',1,4,1,6000,4,0,0,5000,5000,1800000006000,3);
INSERT INTO "records" VALUES('name:wrist',1,5,1,6000,3,1,0,30000,0,1800000006000,4);
INSERT INTO "records" VALUES('name:wrist',1,6,1,6000,5,1,2,0,0,1800000006000,5);
INSERT INTO "records" VALUES('name:wrist',1,7,1,11000,12,1,62,67109864,0,1800000011000,6);
INSERT INTO "records" VALUES('name:wrist',1,8,1,21000,12,1,63,67109864,0,1800000021000,3);
INSERT INTO "records" VALUES('name:wrist',1,9,1,31000,12,1,64,67109864,0,1800000031000,4);
INSERT INTO "records" VALUES('name:wrist',1,10,1,36000,5,1,4,0,0,1800000036000,5);
INSERT INTO "records" VALUES('name:wrist',1,11,1,36000,4,1,0,30000,30000,1800000036000,6);
INSERT INTO "records" VALUES('name:wrist',1,12,1,36000,3,2,0,8000,0,1800000036000,3);
INSERT INTO "records" VALUES('name:wrist',1,13,1,36000,5,2,6,0,0,1800000036000,4);
INSERT INTO "records" VALUES('name:wrist',1,14,1,41000,12,2,65,67109864,0,1800000041000,5);
INSERT INTO "records" VALUES('name:wrist',1,15,1,44000,4,2,0,8000,8000,1800000044000,6);
INSERT INTO "records" VALUES('name:wrist',1,16,1,44000,3,3,0,30000,0,1800000044000,3);
INSERT INTO "records" VALUES('name:wrist',1,17,1,44000,5,3,2,0,0,1800000044000,4);
INSERT INTO "records" VALUES('name:wrist',1,18,1,51000,12,3,66,67109864,0,1800000051000,5);
INSERT INTO "records" VALUES('name:wrist',1,19,1,61000,12,3,67,67109864,0,1800000061000,6);
INSERT INTO "records" VALUES('name:wrist',1,20,1,71000,12,3,68,67109864,0,1800000071000,3);
INSERT INTO "records" VALUES('name:wrist',1,21,1,74000,5,3,4,0,0,1800000074000,4);
INSERT INTO "records" VALUES('name:wrist',1,22,1,74000,4,3,0,30000,30000,1800000074000,5);
INSERT INTO "records" VALUES('name:wrist',1,23,1,74000,3,4,0,8000,0,1800000074000,6);
INSERT INTO "records" VALUES('name:wrist',1,24,1,74000,5,4,5,0,0,1800000074000,3);
INSERT INTO "records" VALUES('name:wrist',1,25,1,81000,12,4,69,67109864,0,1800000081000,4);
INSERT INTO "records" VALUES('name:wrist',1,26,1,82000,4,4,0,8000,8000,1800000082000,5);
INSERT INTO "records" VALUES('name:wrist',1,27,1,82000,3,5,0,30000,0,1800000082000,6);
INSERT INTO "records" VALUES('name:wrist',1,28,1,82000,5,5,2,0,0,1800000082000,3);
INSERT INTO "records" VALUES('name:wrist',1,29,1,91000,12,5,70,67109864,0,1800000091000,4);
INSERT INTO "records" VALUES('name:wrist',1,30,1,101000,12,5,71,67109864,0,1800000101000,5);
INSERT INTO "records" VALUES('name:wrist',1,31,1,112000,5,5,4,0,0,1800000112000,6);
INSERT INTO "records" VALUES('name:wrist',1,32,1,112000,4,5,0,30000,30000,1800000112000,3);
INSERT INTO "records" VALUES('name:wrist',1,33,1,112000,3,6,0,0,0,1800000112000,4);
INSERT INTO "records" VALUES('name:wrist',1,34,1,112000,5,6,7,0,0,1800000112000,5);
INSERT INTO "records" VALUES('name:wrist',1,35,1,112000,4,6,0,0,0,1800000112000,6);
INSERT INTO "records" VALUES('name:wrist',1,36,1,112000,13,255,0,111000,0,1800000112000,3);
INSERT INTO "records" VALUES('name:wrist',3,0,3,1000,2,255,2,3445872242,377879991,1800200001000,3);
INSERT INTO "records" VALUES('name:wrist',3,1,3,1000,3,0,0,5000,0,1800200001000,4);
INSERT INTO "records" VALUES('name:wrist',3,2,3,1000,5,0,0,0,0,1800200001000,5);
INSERT INTO "records" VALUES('name:wrist',3,3,3,6000,4,0,0,5000,5000,1800200006000,6);
INSERT INTO "records" VALUES('name:wrist',3,4,3,6000,3,1,0,30000,0,1800200006000,3);
INSERT INTO "records" VALUES('name:wrist',3,5,3,6000,5,1,2,0,0,1800200006000,4);
CREATE TABLE sessions (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    device       TEXT NOT NULL,
    boot_id        INTEGER NOT NULL,
    seq            INTEGER NOT NULL,     -- log number of its session_started
    person_id         TEXT,
    plan_id        TEXT,                 -- the plan itself may be missing
    routine        TEXT,
    started_utc_ms INTEGER NOT NULL,     -- of its first known record
    ended_utc_ms   INTEGER,
    reason         TEXT,
    source         TEXT, wearable TEXT NOT NULL DEFAULT '', is_simulated INTEGER NOT NULL DEFAULT 0,
    UNIQUE (device, boot_id, seq)
) STRICT;
INSERT INTO "sessions" VALUES(1,'name:wrist',1,0,'name:ada','72d663cdb7fd8516','lower-back',1800000001000,1800000112000,'finished','plan','wrist',0);
INSERT INTO "sessions" VALUES(2,'name:waist',2,0,NULL,'72d663cdb7fd8516','lower-back',1800100001000,1800100050000,'stopped','host','waist',0);
INSERT INTO "sessions" VALUES(3,'name:wrist',3,0,'name:ada','72d663cdb7fd8516','lower-back',1800200001000,NULL,NULL,NULL,'wrist',0);
CREATE TABLE unforwarded (
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,
    subject      TEXT NOT NULL,
    boot_id      INTEGER NOT NULL DEFAULT 0,
    seq          INTEGER NOT NULL DEFAULT 0,
    from_seq     INTEGER NOT NULL DEFAULT 0,
    changes      INTEGER NOT NULL DEFAULT 0,
    since_utc_ms INTEGER NOT NULL,
    UNIQUE (kind, subject, boot_id, seq)
) STRICT;
CREATE INDEX sessions_started ON sessions (started_utc_ms);
CREATE INDEX records_session ON records (session_id, seq);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('sessions',3);
COMMIT;
