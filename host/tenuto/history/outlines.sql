-- SPDX-License-Identifier: MIT
-- Takes the outline of a session away when something comes in that it follows from. Each connection
-- that may write has these triggers for itself: in the file they would not leave room for the rest
-- of the schema on its first page. See `outlines.py`.

CREATE TEMP TRIGGER outline_record AFTER INSERT ON records BEGIN
    DELETE FROM outlines WHERE id = new.session_id;
END;

CREATE TEMP TRIGGER outline_host_event AFTER INSERT ON host_events BEGIN
    DELETE FROM outlines WHERE id = new.session_id;
END;

CREATE TEMP TRIGGER outline_plan AFTER UPDATE OF plan_id ON sessions
WHEN old.plan_id IS NOT new.plan_id BEGIN
    DELETE FROM outlines WHERE id = new.id;
END;

CREATE TEMP TRIGGER outline_new_plan AFTER INSERT ON plans BEGIN
    DELETE FROM outlines
    WHERE id IN (SELECT id FROM sessions WHERE plan_id = new.plan_id);
END;

CREATE TEMP TRIGGER outline_mended_plan AFTER UPDATE OF data ON plans BEGIN
    DELETE FROM outlines
    WHERE id IN (SELECT id FROM sessions WHERE plan_id = new.plan_id);
END;
