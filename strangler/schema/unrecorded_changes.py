"""What a hand-back runs again: strangler.unrecorded_changes."""

# Versions of a subject that concern a step and that legacy has not said anything final of, with the payloads of their
# events. No type: nobody knows that change any more; no payload: its event is dropped. With the owner's rights: the
# monolith's role reads no events, and no more of them than those of one subject. From the first that was told: a column
# of the application's own may have counted before.
UNRECORDED_CHANGES = """
CREATE FUNCTION strangler.unrecorded_changes(a_subject text, a_step text, some_types text[], newest bigint)
RETURNS TABLE (version bigint, type text, payload bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT wanted.version, change.type,
           (SELECT stored.payload FROM outbox.outbox AS stored WHERE stored.id = change.event)
    FROM generate_series((SELECT coalesce(min(known.version), 1) FROM strangler.subject_change AS known
                          WHERE known.subject_ref = a_subject), newest) AS wanted (version)
    LEFT JOIN strangler.subject_change AS change
           ON (change.subject_ref, change.version) = (a_subject, wanted.version)
    WHERE (change.type IS NULL OR change.type = ANY (some_types))
      AND NOT EXISTS (SELECT FROM strangler.seam_record AS known
                      WHERE (known.subject_ref, known.step, known.version) = (a_subject, a_step, wanted.version)
                        AND known.state IN ('done', 'none'))
    ORDER BY wanted.version;
END $$"""
