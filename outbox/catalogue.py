"""Every metric of relay and consumer: name, kind, labels, meaning. A page of metrics says nothing else. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]
# In seconds: from a handler without work to a backlog of a day.
BUCKETS_S = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class Described:
    """`name` is what an observer is called with; a counter's page adds `_total`. Units stand in the name."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def shown(self) -> str:
        """As the page calls it.

        >>> Described("consumer_parked", "counter", ("cause",), "").shown
        'consumer_parked_total'
        """
        return f"{self.name}_total" if self.kind == "counter" else self.name


class Sample(NamedTuple):
    """The value of a gauge now."""

    name: str
    value: float
    labels: Mapping[str, str]


PLACE = ("group", "topic", "partition")

RELAY = (
    Described("outbox_relay_records", "counter", (), "events that Kafka acknowledged"),
    Described("outbox_relay_reconnects", "counter", (), "times that the relay began anew"),
    Described(
        "outbox_relay_delay_seconds",
        "histogram",
        (),
        "from the commit of a transaction to Kafka's acknowledgement of its last event; by two machines' clocks",
    ),
    Described("outbox_relay_in_flight_records", "gauge", (), "events sent and not yet acknowledged"),
    Described("outbox_relay_in_flight_bytes", "gauge", (), "their bytes, as an upper bound"),
    Described("outbox_relay_confirmed_lsn_bytes", "gauge", (), "the position in the WAL up to which all is in Kafka"),
    Described("outbox_partitions_ahead_days", "gauge", (), "days for which the outbox table has partitions"),
)
SLOT = (
    Described("outbox_relay_slot_exists", "gauge", (), "1, or 0: nothing is published, and nothing is kept for it"),
    Described("outbox_relay_slot_lag_bytes", "gauge", (), "WAL that is written and not yet confirmed by the relay"),
    Described("outbox_relay_slot_kept_bytes", "gauge", (), "WAL that the server keeps for the slot"),
    Described(
        "outbox_relay_slot_safe_bytes",
        "gauge",
        (),
        "WAL that may still be written before the slot is lost (`max_slot_wal_keep_size`), 0 when it is; not there "
        "without a limit",
    ),
    Described(
        "outbox_relay_slot_read_age_seconds", "gauge", (), "since the slot was last read: grows while it cannot be"
    ),
)
LAG = (
    Described("consumer_lag_records", "gauge", PLACE, "events of the group that wait in the log; the whole group's"),
    Described(
        "consumer_lag_seconds",
        "gauge",
        (*PLACE, "state"),
        "age since its append of the oldest event that is `waiting` or `parked`; 0 where there is none",
    ),
    Described("consumer_lag_parked_records", "gauge", PLACE, "events of the group in quarantine"),
    Described(
        "consumer_lag_tenant_records",
        "gauge",
        ("group", "tenant", "class"),
        "waiting events by whom they are of, among the first 500 of each partition; ten tenants at most",
    ),
    Described("consumer_lag_tenant_seconds", "gauge", ("group", "tenant", "class"), "the age of the oldest of them"),
    Described(
        "consumer_standing_seconds",
        "gauge",
        (*PLACE, "cause"),
        "how long it has stood still, or given way, by `outbox lag`'s causes; of several lanes the longest",
    ),
    Described("consumer_members", "gauge", ("group",), "members of the group that live"),
    Described(
        "consumer_lag_read_age_seconds", "gauge", ("group",), "since the lag was last read: above 0 when it cannot be"
    ),
)
MEMBER = (
    Described(
        "consumer_queue_records",
        "gauge",
        ("group", "topic"),
        "events fetched, queued, at work or put off in this member",
    ),
    Described("consumer_queue_bytes", "gauge", ("group", "topic"), "their bytes"),
    Described(
        "consumer_retrying_lanes", "gauge", ("group", "topic"), "lanes whose first event is put off or tried again"
    ),
    Described("consumer_retrying_seconds", "gauge", ("group", "topic"), "for how long the longest of them has been"),
    Described("consumer_runs_at_work", "gauge", ("group",), "runs that its workers have taken and not ended"),
    Described("consumer_workers", "gauge", ("group",), "workers; all at work means that the member is saturated"),
    Described(
        "consumer_run_seconds", "histogram", ("topic",), "from taking a run of events to its end, however it ended"
    ),
    Described(
        "consumer_apply_seconds", "histogram", ("topic",), "of it, the transaction with the handler and its commit"
    ),
    Described(
        "consumer_completion_seconds",
        "histogram",
        ("topic",),
        "from the append of an event to the commit that ended it",
    ),
)
SATURATION = (
    Described("consumer_lanes", "gauge", ("group", "topic"), "lanes of the partitions that this member holds"),
    Described(
        "consumer_lanes_busy",
        "gauge",
        ("group", "topic"),
        "of them, those with events: at work, queued or put off",
    ),
    Described("consumer_connections", "gauge", ("group",), "database connections that workers may use at once"),
    Described("consumer_connections_in_use", "gauge", ("group",), "of them, those that a worker has"),
    Described(
        "consumer_rate_limit",
        "gauge",
        ("group",),
        "events a second that are tried, since what handlers depend on asked for patience, or what they feed is given "
        "way to; 0: without limit",
    ),
)


COUNTS = (
    Described("consumer_disposition", "counter", ("disposition",), "events that are done with, by what became of them"),
    Described(
        "consumer_parked",
        "counter",
        ("cause",),
        "records into quarantine: `undecodable`, `poison`, `permanent`, `bug`, `expired`, `over_budget`, `early`, or "
        "`behind` another of their key",
    ),
    Described("consumer_retry", "counter", ("error", "trouble"), "runs that failed and are tried again"),
    Described(
        "consumer_put_off",
        "counter",
        ("clause",),
        "events that wait longer than a retry, by the clause of their policy",
    ),
    Described(
        "consumer_expired", "counter", ("clause",), "late events that took their declared branch, counted when decided"
    ),
    Described(
        "consumer_shed",
        "counter",
        ("clause",),
        "events given up under pressure, or over the retry budget, counted when decided",
    ),
    Described("consumer_flooded", "counter", ("topic",), "a partition that stopped parking: too much of it is poison"),
    Described(
        "consumer_gave_way",
        "counter",
        ("to",),
        "times that a member began to give way, by whom it feeds; `consumer_standing_seconds` says for how long",
    ),
    Described("consumer_breaker", "counter", ("state",), "the group's breaker opened or closed"),
    Described("consumer_replayed", "counter", ("topic",), "events out of quarantine and done"),
    Described("consumer_held_again", "counter", ("topic",), "replayed events that are poison still"),
    Described("consumer_kept", "counter", ("topic",), "parked records copied before the log loses them"),
    Described("consumer_assigned", "counter", ("topic",), "partitions taken over"),
    Described("consumer_revoked", "counter", ("topic",), "partitions given up"),
    Described(
        "consumer_fenced",
        "counter",
        ("topic",),
        "partitions that another member had taken: what was under way rolled back",
    ),
    Described(
        "consumer_position_lost",
        "counter",
        ("topic",),
        "partitions that stand still: their position is outside the log, a person decides",
    ),
    Described(
        "consumer_unreadable",
        "counter",
        ("topic",),
        "looks at a partition that stands still: its next batch cannot be unpacked",
    ),
    Described(
        "consumer_source_broken",
        "counter",
        ("topic",),
        "looks at a partition that stands still: its next event is of a foreign source, or falls back in its own",
    ),
    Described("consumer_paused", "counter", ("topic",), "partitions held back at their bound"),
    Described("consumer_resumed", "counter", ("topic",), "and let go"),
    Described("consumer_stalled", "counter", ("remedy",), "partitions proved stuck, by what was done"),
    Described(
        "consumer_topic_missing",
        "counter",
        ("topic",),
        "times that a subscribed topic was said to be missing; the member waits for it",
    ),
    Described(
        "consumer_slow",
        "counter",
        ("topic",),
        "times that a run had been at work for 5 s more: its handler is slow, or hangs",
    ),
    Described("consumer_unreachable", "counter", ("what",), "times that the broker did not answer; the member waits"),
)
CATALOGUE = (*RELAY, *SLOT, *LAG, *MEMBER, *SATURATION, *COUNTS)


def table(metrics: Iterable[Described]) -> str:
    """For the reference page: one row for each."""
    rows = ["| Metric | Kind | Labels | Meaning |", "|---|---|---|---|"]
    for one in metrics:
        labels = ", ".join(f"`{label}`" for label in one.labels)
        rows.append(f"| `{one.shown}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(rows)
