"""The functions by which the application pins what it names itself: subjects by their own ids, parts of a request."""

# The reference of the subject that the application knows as `native`. With `ref`, that one from now on: the application
# has just made the subject, so whoever has asked for the id before asked for something that was not there. Without, the
# one that it has, or else KIND:ID.
PIN_ALIAS = """
CREATE FUNCTION strangler.pin_alias(alias_kind text, native text, ref text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE found_ref text;
BEGIN
    IF ref IS NULL THEN
        SELECT subject_ref INTO found_ref FROM strangler.subject_alias WHERE kind = alias_kind AND native_id = native;
        IF FOUND THEN
            RETURN found_ref;
        END IF;
    END IF;
    INSERT INTO strangler.subject_alias AS known (kind, native_id, subject_ref)
    VALUES (alias_kind, native, coalesce(ref, alias_kind || ':' || native))
    ON CONFLICT (kind, native_id) DO UPDATE SET subject_ref = coalesce(ref, known.subject_ref)
    RETURNING subject_ref INTO found_ref;
    RETURN found_ref;
END $$"""

# One of several subjects that a request makes: `part` is BASE.1 and so on, with the owners that BASE was pinned with.
# Returns its owners; NULL where nobody has pinned the base.
PIN_PART = """
CREATE FUNCTION strangler.pin_part(base text, part text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE found_owners text;
BEGIN
    IF NOT starts_with(part, base || '.') THEN
        RAISE EXCEPTION 'the part % of % must be called %.1 or another number', part, base, base
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO strangler.ownership (subject_ref, epoch, owners, part_of)
    SELECT part, epoch, owners, base FROM strangler.ownership WHERE subject_ref = base
    ON CONFLICT (subject_ref) DO NOTHING;
    SELECT owners INTO found_owners FROM strangler.ownership WHERE subject_ref = part;
    RETURN found_owners;
END $$"""
