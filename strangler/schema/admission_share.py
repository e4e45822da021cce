"""Which slots of a plan's admission each worker of a facade holds."""

# Renewed twice a second, anybody's after 2 s, and of no use after a crash of the server.
ADMISSION_SHARE = """
CREATE UNLOGGED TABLE strangler.admission_share (
    admission  text        NOT NULL,
    worker     text        NOT NULL,
    slots      integer     NOT NULL,
    demand     float8      NOT NULL,
    renewed_at timestamptz NOT NULL,
    PRIMARY KEY (admission, worker)
) WITH (fillfactor = 50)"""
