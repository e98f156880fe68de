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
-- Up to PostgreSQL 14 everybody could make a function here, which one that runs as the owner would
-- take for PostgreSQL's own; a database that was made then still lets them.
REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- Which people a user may see: a therapist theirs, a person themselves.
CREATE TABLE IF NOT EXISTS sees (
    role      NAME NOT NULL,
    person_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (role, person_id)
);

-- Who saw a person who was erased is not to be known either.
CREATE OR REPLACE FUNCTION forget_sight() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM sees WHERE new.digest
        = left(encode(sha256(convert_to(person_id, 'UTF8')), 'hex'), length(new.digest));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER forget_sight AFTER INSERT ON deleted_persons
FOR EACH ROW EXECUTE FUNCTION forget_sight();

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
        'known_boots', 'deleted', 'deleted_results', 'deleted_persons', 'inbox', 'hosts', 'sees',
        'prescriptions'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', one);
        EXECUTE format('DROP POLICY IF EXISTS seen ON %I', one);
        EXECUTE format('DROP POLICY IF EXISTS own ON %I', one);
        EXECUTE format('DROP POLICY IF EXISTS prescribed ON %I', one);
        EXECUTE format('DROP POLICY IF EXISTS assigned ON %I', one);
        EXECUTE format('DROP POLICY IF EXISTS ended ON %I', one);
    END LOOP;
END $$;

-- Readers. A partition is reached through `records` alone: nobody but the owner has a right to it.
GRANT SELECT ON persons, sessions, records, host_events, plans, exercises, cue_results,
    prescriptions, tenuto_version TO tenuto_therapist, tenuto_person;
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

-- Hosts add, and learn what was deleted; of sessions they read nothing.
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

-- Therapists prescribe for their people, in their own name, and end what is prescribed to them.
CREATE POLICY seen ON prescriptions FOR SELECT TO tenuto_therapist, tenuto_person
    USING (may_see(person_id));
GRANT INSERT (prescription_id, person_id, utc_ms, ended_utc_ms, data), UPDATE (ended_utc_ms)
    ON prescriptions TO tenuto_therapist;
CREATE POLICY assigned ON prescriptions FOR INSERT TO tenuto_therapist
    WITH CHECK (may_see(person_id) AND data::jsonb ->> 'assigned_by' = session_user);
CREATE POLICY ended ON prescriptions FOR UPDATE TO tenuto_therapist
    USING (may_see(person_id)) WITH CHECK (may_see(person_id));

-- Hosts learn of them, and what those people are called: any of them may play on any host.
GRANT SELECT ON prescriptions, persons TO tenuto_host;
CREATE POLICY prescribed ON prescriptions FOR SELECT TO tenuto_host USING (true);
CREATE POLICY prescribed ON persons FOR SELECT TO tenuto_host
    USING (EXISTS (SELECT FROM prescriptions AS p
        WHERE p.person_id IN (persons.person_id, persons.same_as)));
