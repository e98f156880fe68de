-- SPDX-License-Identifier: MIT
-- Who may do what in the central history; carried out again each time it is set up.
-- The three roles cannot log in; a user of the database is made a member of one of them.

DO $$
DECLARE
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenuto_host', 'tenuto_therapist', 'tenuto_person'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;

-- Which people a user may see: a therapist theirs, a person themselves.
CREATE TABLE IF NOT EXISTS sees (
    role      NAME NOT NULL,
    person_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (role, person_id)
);

-- Runs as the owner, so that nobody has to read the table of others' rights; people who turned out
-- to be one are seen under the id that stayed.
CREATE OR REPLACE FUNCTION may_see(wanted TEXT) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH RECURSIVE mine (person_id) AS (
        SELECT person_id FROM sees WHERE role = session_user
        UNION
        SELECT p.same_as FROM persons AS p JOIN mine USING (person_id) WHERE p.same_as IS NOT NULL
    )
    SELECT wanted IN (SELECT person_id FROM mine)
$$;

DO $$
DECLARE
    one TEXT;
BEGIN
    FOREACH one IN ARRAY ARRAY[
        'persons', 'sessions', 'records', 'host_events', 'plans', 'exercises', 'cue_results',
        'known_boots', 'deleted', 'deleted_results', 'deleted_persons', 'inbox', 'hosts', 'sees'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one);
        EXECUTE format('DROP POLICY IF EXISTS seen ON %I', one);
        EXECUTE format('DROP POLICY IF EXISTS own ON %I', one);
    END LOOP;
END $$;

-- Readers. A partition is reached through `records` alone: nobody but the owner has a right to it.
GRANT SELECT ON persons, sessions, records, host_events, plans, exercises, cue_results,
    tenuto_version TO tenuto_therapist, tenuto_person;
CREATE POLICY seen ON persons FOR SELECT TO tenuto_therapist, tenuto_person
    USING (may_see(person_id));
CREATE POLICY seen ON sessions FOR SELECT TO tenuto_therapist, tenuto_person
    USING (may_see(person_id));
CREATE POLICY seen ON cue_results FOR SELECT TO tenuto_therapist, tenuto_person
    USING (may_see(person_id));
CREATE POLICY seen ON records FOR SELECT TO tenuto_therapist, tenuto_person
    USING (EXISTS (SELECT FROM sessions WHERE id = session_id));
CREATE POLICY seen ON host_events FOR SELECT TO tenuto_therapist, tenuto_person
    USING (EXISTS (SELECT FROM sessions WHERE id = session_id));
CREATE POLICY seen ON plans FOR SELECT TO tenuto_therapist, tenuto_person
    USING (EXISTS (SELECT FROM sessions WHERE sessions.plan_id = plans.plan_id));
CREATE POLICY seen ON exercises FOR SELECT TO tenuto_therapist, tenuto_person
    USING (EXISTS (SELECT FROM sessions WHERE sessions.plan_id = exercises.plan_id));

-- Hosts add, and learn what was deleted; they read nothing of anybody.
GRANT INSERT (host, lines) ON inbox TO tenuto_host;
GRANT INSERT (host, waiting, since), UPDATE (waiting, since, heard_at), SELECT ON hosts
    TO tenuto_host;
GRANT SELECT ON deletions, deleted, deleted_results, deleted_persons, tenuto_version
    TO tenuto_host;
CREATE POLICY own ON inbox FOR INSERT TO tenuto_host WITH CHECK (role = session_user);
CREATE POLICY own ON hosts FOR ALL TO tenuto_host
    USING (role = session_user) WITH CHECK (role = session_user);
CREATE POLICY seen ON deleted FOR SELECT TO tenuto_host USING (true);
CREATE POLICY seen ON deleted_results FOR SELECT TO tenuto_host USING (true);
CREATE POLICY seen ON deleted_persons FOR SELECT TO tenuto_host USING (true);
