-- SPDX-License-Identifier: MIT
-- From version 1 to 2: what people are to do.

-- A change has a number, by which hosts take it over. Therapists write here beside the process that
-- joins, so the lock of `tenuto.fleet.schema` is taken before the number: one that can be seen has
-- none before it that cannot.
CREATE SEQUENCE prescription_numbers;

CREATE TABLE prescriptions (
    prescription_id TEXT COLLATE "C" PRIMARY KEY CHECK (length(prescription_id) = 16),
    person_id       TEXT COLLATE "C" NOT NULL,
    utc_ms          BIGINT NOT NULL,
    ended_utc_ms    BIGINT,
    data            TEXT COLLATE "C" NOT NULL CHECK (length(data) < 4000),
    number          BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX prescriptions_number ON prescriptions (number);
CREATE INDEX prescriptions_person ON prescriptions (person_id);

CREATE FUNCTION number_prescription() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1415933557);
    new.number := nextval('prescription_numbers');
    IF TG_OP = 'UPDATE' THEN
        new.ended_utc_ms := LEAST(new.ended_utc_ms, old.ended_utc_ms); -- what ended stays so
    END IF;
    RETURN new;
END $$;

CREATE TRIGGER number_prescription BEFORE INSERT OR UPDATE ON prescriptions
FOR EACH ROW EXECUTE FUNCTION number_prescription();
