-- SPDX-License-Identifier: MIT
-- Notes in `unforwarded` what a central history has to be told. These triggers are in a history
-- only while it forwards, so that every process that writes to it is noticed, and no other history
-- pays for them. See `forwarding.py`.

CREATE TRIGGER forward_record AFTER INSERT ON records BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    SELECT 'session', device, boot_id, seq, new.seq, unixepoch() * 1000
    FROM sessions WHERE id = new.session_id
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE
    SET from_seq = min(from_seq, excluded.from_seq), changes = changes + 1;
END;

CREATE TRIGGER forward_time AFTER UPDATE OF utc_ms ON records BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    SELECT 'session', device, boot_id, seq, new.seq, unixepoch() * 1000
    FROM sessions WHERE id = new.session_id
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE
    SET from_seq = min(from_seq, excluded.from_seq), changes = changes + 1;
END;

CREATE TRIGGER forward_session AFTER UPDATE OF wearable, person_id, plan_id, routine,
ended_utc_ms, is_simulated ON sessions BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    VALUES ('session', new.device, new.boot_id, new.seq, 4294967296, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

-- A session whose device became known is told anew, whole.
CREATE TRIGGER forward_device AFTER UPDATE OF device ON sessions BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    VALUES ('session', new.device, new.boot_id, new.seq, 0, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET from_seq = 0, changes = changes + 1;
END;

CREATE TRIGGER forward_host_event AFTER INSERT ON host_events BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    SELECT 'session', device, boot_id, seq, 4294967296, unixepoch() * 1000
    FROM sessions WHERE id = new.session_id
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_plan AFTER INSERT ON plans BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    SELECT 'session', device, boot_id, seq, 4294967296, unixepoch() * 1000
    FROM sessions WHERE plan_id = new.plan_id
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_exercise AFTER INSERT ON exercises BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, from_seq, since_utc_ms)
    SELECT 'session', device, boot_id, seq, 4294967296, unixepoch() * 1000
    FROM sessions WHERE plan_id = new.plan_id
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_person AFTER UPDATE OF label, same_as ON persons BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('person', new.person_id, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_result AFTER INSERT ON cue_results BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('result', new.result_id, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_prescription AFTER INSERT ON prescriptions BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('prescription', new.prescription_id, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_prescription_end AFTER UPDATE OF ended_utc_ms ON prescriptions BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('prescription', new.prescription_id, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_deleted AFTER INSERT ON deleted BEGIN
    INSERT INTO unforwarded (kind, subject, boot_id, seq, since_utc_ms)
    VALUES ('deleted', new.device, new.boot_id, new.seq, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_deleted_result AFTER INSERT ON deleted_results BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('deleted_result', new.result_id, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;

CREATE TRIGGER forward_deleted_person AFTER INSERT ON deleted_persons BEGIN
    INSERT INTO unforwarded (kind, subject, since_utc_ms)
    VALUES ('deleted_person', new.digest, unixepoch() * 1000)
    ON CONFLICT (kind, subject, boot_id, seq) DO UPDATE SET changes = changes + 1;
END;
