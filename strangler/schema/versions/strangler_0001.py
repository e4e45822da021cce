"""Stages, ownership, idempotency, hand-backs, seam records, verdicts, waits, shared state, backfills."""

from outbox.schema.script import Execute
from strangler.schema.admission_share import ADMISSION_SHARE
from strangler.schema.claim_request import CLAIM_REQUEST
from strangler.schema.pin_functions import PIN_ALIAS, PIN_PART
from strangler.schema.record_seam import RECORD_SEAM, RECORD_SEAM_ANY
from strangler.schema.unrecorded_changes import UNRECORDED_CHANGES

revision = "strangler_0001"
down_revision = None
branch_labels = ("strangler",)
depends_on = None

TABLES = (
    'CREATE TABLE strangler.epoch ("only" boolean PRIMARY KEY DEFAULT true CHECK ("only"), epoch bigint NOT NULL)',
    "INSERT INTO strangler.epoch (epoch) VALUES (1)",
    """CREATE TABLE strangler.stage (
        step    text    PRIMARY KEY,
        kind    text    NOT NULL DEFAULT 'step' CHECK (kind IN ('step', 'read')),
        stage   text    NOT NULL CHECK (stage IN ('legacy', 'shadow', 'ramp', 'live', 'retired')),
        ramp_bp integer NOT NULL DEFAULT 0 CHECK (ramp_bp BETWEEN 0 AND 10000),
        salt    text    NOT NULL
    )""",
    # The audit: one row per move, never updated. epoch = the epoch that the move began.
    """CREATE TABLE strangler.stage_move (
        epoch      bigint      PRIMARY KEY,
        step       text        NOT NULL,
        from_stage text        NOT NULL,
        to_stage   text        NOT NULL,
        from_bp    integer     NOT NULL,
        to_bp      integer     NOT NULL,
        actor      text        NOT NULL,
        reason     text        NOT NULL,
        evidence   jsonb       NOT NULL DEFAULT '{}',
        moved_at   timestamptz NOT NULL DEFAULT now()
    )""",
    # What facades have counted of reads that another application is to answer; `epoch` began the read's last move.
    # `detail`: why, or a place in the answer.
    """CREATE TABLE strangler.read_count (
        read    text   NOT NULL,
        epoch   bigint NOT NULL,
        outcome text   NOT NULL,
        detail  text   NOT NULL,
        reads   bigint NOT NULL,
        PRIMARY KEY (read, epoch, outcome, detail)
    )""",
    # The owner of each step of a subject; `owners` is the ownership header. Changed only by a hand-back. `part_of`: the
    # reference of the request that made several subjects, and has the claim for all of them.
    """CREATE TABLE strangler.ownership (
        subject_ref text        PRIMARY KEY,
        epoch     bigint      NOT NULL,
        owners    text        NOT NULL,
        pinned_at timestamptz NOT NULL DEFAULT now(),
        part_of   text
    )""",
    "CREATE INDEX ownership_parts ON strangler.ownership (part_of) WHERE part_of IS NOT NULL",
    # The reference of a subject that the application knows by an id of its own; `kind` is the subject's name.
    """CREATE TABLE strangler.subject_alias (
        kind        text NOT NULL,
        native_id   text NOT NULL,
        subject_ref text NOT NULL,
        PRIMARY KEY (kind, native_id),
        UNIQUE (kind, subject_ref)
    )""",
    # A request under its key, until `expires_at`. started -> done, with the first answer. Of one without an answer an
    # operator may say that nothing came of it: released, so that the same request may be carried out. `headers` is
    # json, for an application may send octets that jsonb refuses. `route`: its target in the plan, for people.
    """CREATE TABLE strangler.idempotency (
        tenant      text        NOT NULL,
        key         text        NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
        fingerprint bytea       NOT NULL,
        subject_ref text        NOT NULL,
        route       text        NOT NULL DEFAULT '',
        state       text        NOT NULL CHECK (state IN ('started', 'done', 'released')),
        lease_until timestamptz NOT NULL,
        attempt     bigint      NOT NULL DEFAULT 0,
        status      integer,
        headers     json,
        body        bytea,
        created_at  timestamptz NOT NULL DEFAULT now(),
        expires_at  timestamptz NOT NULL,
        PRIMARY KEY (tenant, key)
    )""",
    # Made in its order, so a claim adds at its end. By it are found: what is under way, and what has expired.
    "CREATE INDEX idempotency_lease ON strangler.idempotency (lease_until)",
    ADMISSION_SHARE,
    # The audit: one row for each claim of which an operator has said that nothing came of it, never updated.
    """CREATE TABLE strangler.claim_release (
        claim       text        NOT NULL,
        subject_ref text        NOT NULL,
        route       text        NOT NULL,
        claimed_at  timestamptz NOT NULL,
        actor       text        NOT NULL,
        reason      text        NOT NULL,
        released_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (claim, claimed_at)
    )""",
    # Audited change of a subject's owner on demotion: tombstoned on the new side, then run by legacy. `too_old`: legacy
    # has nothing left to run it from, so neither side has acted, and a person must.
    """CREATE TABLE strangler.hand_back (
        subject_ref    text        NOT NULL,
        step         text        NOT NULL,
        pinned_epoch bigint      NOT NULL,
        state        text        NOT NULL CHECK (state IN ('tombstoned', 'done', 'too_old')),
        actor        text        NOT NULL,
        reason       text        NOT NULL,
        at           timestamptz NOT NULL DEFAULT now(),
        done_at      timestamptz,
        PRIMARY KEY (subject_ref, step)
    )""",
    # Domains, and no CHECK: a table's CHECKs are read anew for each statement, which took a third of a seam's record.
    "CREATE DOMAIN strangler.call_number AS integer CHECK (VALUE BETWEEN 1 AND 100)",
    "CREATE DOMAIN strangler.call_state AS text CHECK (VALUE IN ('begun', 'done', 'failed', 'none'))",
    "CREATE DOMAIN strangler.seam_owner AS text CHECK (VALUE IN ('legacy', 'shadow'))",
    # Written by the seam, in the subject's transaction while that is open, by a connection of its own once it has
    # committed: `begun` before the call, `done` or `failed` after it, `none` when the unit ended without one. Two calls
    # behind one seam for one change are two. `process`: who makes the call, where that is not who made the change.
    """CREATE TABLE strangler.seam_record (
        subject_ref text        NOT NULL,
        step        text        NOT NULL,
        version     bigint      NOT NULL,
        call        strangler.call_number NOT NULL DEFAULT 1,
        state       strangler.call_state  NOT NULL DEFAULT 'done',
        owner       strangler.seam_owner,
        epoch       bigint,
        inputs      jsonb,
        outcome     jsonb,
        intents     jsonb       NOT NULL DEFAULT '[]',
        process     bigint,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        ended_at    timestamptz,
        PRIMARY KEY (subject_ref, step, version, call)
    )""",
    # Written with the subject's event, in its transaction: which process of the monolith may still act on it. That
    # process holds pg_advisory_lock(0x5354, process) as long as it lives; 0: nobody knows which it is. `event`: its id
    # in the outbox, as long as its partition is kept. `epoch`: of the owners that the subject had; 0: nobody had pinned
    # it, the change is legacy's whoever owns the subject later.
    """CREATE TABLE strangler.subject_change (
        subject_ref text        NOT NULL,
        version     bigint      NOT NULL,
        type        text        NOT NULL,
        process     bigint      NOT NULL,
        event       uuid,
        epoch       bigint      NOT NULL DEFAULT 0,
        changed_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (subject_ref, version)
    )""",
    # As an advisory lock's second key: int4.
    "CREATE SEQUENCE strangler.process_number AS integer CYCLE",
    """CREATE TABLE strangler.reconciliation_run (
        run_id     uuid        PRIMARY KEY,
        scope      text        NOT NULL,
        frontier   jsonb       NOT NULL,
        counts     jsonb       NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at   timestamptz NOT NULL
    )""",
    # Final verdicts only; LATE and UNKNOWN are judged again by the next run.
    """CREATE TABLE strangler.verdict (
        step      text        NOT NULL,
        subject_ref text        NOT NULL,
        number    integer     NOT NULL,
        class     text        NOT NULL,
        owner     text        NOT NULL,
        fields    jsonb       NOT NULL DEFAULT '[]',
        detail    jsonb       NOT NULL DEFAULT '{}',
        run_id    uuid        NOT NULL REFERENCES strangler.reconciliation_run,
        PRIMARY KEY (step, subject_ref, number)
    )""",
    # A subject that was committed as pending. waiting -> ready (the outcome is there) -> done (claimed, in the
    # transaction that ran the rest). Until wait_until the request that waits goes first. rest: the steps that were
    # still to run, in order; carry: what they need to know. The outcome is of waits_for, or a refusal of any step.
    # version: the change that the chain runs for, whatever became of the subject since; null: not said.
    """CREATE TABLE strangler.continuation (
        subject_ref       text        NOT NULL,
        waits_for       text        NOT NULL,
        state           text        NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'ready', 'done')),
        outcome         jsonb,
        rest            text[]      NOT NULL DEFAULT '{}',
        carry           jsonb       NOT NULL DEFAULT '{}',
        version         bigint,
        wait_until      timestamptz NOT NULL,
        attempts        integer     NOT NULL DEFAULT 0,
        next_attempt_at timestamptz NOT NULL DEFAULT now(),
        created_at      timestamptz NOT NULL DEFAULT now(),
        ended_at        timestamptz,
        PRIMARY KEY (subject_ref, waits_for)
    )""",
    "CREATE INDEX continuation_ready ON strangler.continuation (next_attempt_at) WHERE state = 'ready'",
    "CREATE INDEX continuation_waiting ON strangler.continuation (created_at) WHERE state = 'waiting'",
    # One writer of record for what subjects share (stock). Read under a shared advisory lock, which a move takes alone.
    """CREATE TABLE strangler.authority (
        resource text        PRIMARY KEY,
        holder   text        NOT NULL CHECK (holder IN ('legacy', 'new')),
        epoch    bigint      NOT NULL DEFAULT 1,
        moved_at timestamptz NOT NULL DEFAULT now()
    )""",
    # The audit: one row per move, never updated. epoch = the epoch that the move began.
    """CREATE TABLE strangler.authority_move (
        resource    text        NOT NULL,
        epoch       bigint      NOT NULL,
        from_holder text        NOT NULL,
        to_holder   text        NOT NULL,
        actor       text        NOT NULL,
        reason      text        NOT NULL,
        evidence    jsonb       NOT NULL DEFAULT '{}',
        moved_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (resource, epoch)
    )""",
    # The audit of modes: a row for each time that people declared one, never taken away. One holds at a time: the
    # newest that nobody has ended and whose time is not over. `ended_by` and `ended_for`: who ended it early, and why.
    """CREATE TABLE strangler.mode (
        id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        mode        text        NOT NULL,
        actor       text        NOT NULL,
        reason      text        NOT NULL,
        declared_at timestamptz NOT NULL,
        until       timestamptz NOT NULL CHECK (until > declared_at),
        ended_at    timestamptz,
        ended_by    text,
        ended_for   text,
        CHECK ((ended_at IS NULL) = (ended_by IS NULL) AND (ended_at IS NULL) = (ended_for IS NULL))
    )""",
    "CREATE INDEX mode_open ON strangler.mode (until) WHERE ended_at IS NULL",
    # finished_at: it had come as far as the step's own consumer once; NULL again while it goes on.
    # incarnation: of the topic. NULL: nobody knows, it is begun again.
    """CREATE TABLE strangler.backfill (
        step        text        NOT NULL,
        topic       text        NOT NULL,
        partition   integer     NOT NULL,
        next_offset bigint      NOT NULL,
        finished_at timestamptz,
        incarnation text,
        PRIMARY KEY (step, topic, partition)
    )""",
)

# The fence of a move, held shared to the caller's commit. An advisory lock and not FOR SHARE on the authority's row:
# sharers of a row that overlap without a gap (requests hold it over vendor calls) starve the mover for ever, and a row
# that is not there cannot be locked. The holder is read by a statement of its own, so after the lock was granted.
HOLDER = """
CREATE FUNCTION strangler.holder_of(shared text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE found_holder text;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION '% is written in READ COMMITTED only: an older snapshot would miss a move of its authority',
            shared
            USING ERRCODE = 'feature_not_supported', HINT = 'begin the transaction with ISOLATION LEVEL READ COMMITTED';
    END IF;
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('strangler.authority.' || shared, 0));
    SELECT holder INTO found_holder FROM strangler.authority WHERE resource = shared;
    RETURN coalesce(found_holder, 'legacy');
END $$"""

NOT_FOR_ALL = (
    "REVOKE EXECUTE ON FUNCTION strangler.pin_alias(text, text, text), strangler.pin_part(text, text) FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION strangler.record_seam, strangler.record_seam_any FROM PUBLIC",
    "REVOKE EXECUTE ON FUNCTION strangler.unrecorded_changes FROM PUBLIC",
)


def upgrade(execute: Execute) -> None:
    for statement in (
        *TABLES,
        HOLDER,
        PIN_ALIAS,
        PIN_PART,
        CLAIM_REQUEST,
        RECORD_SEAM,
        RECORD_SEAM_ANY,
        UNRECORDED_CHANGES,
        *NOT_FOR_ALL,
    ):
        execute(statement)
