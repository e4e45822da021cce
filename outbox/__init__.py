"""Events, both ends: append in the caller's transaction -> relay -> Kafka -> consumer. Knows nothing of orders."""

from outbox.structured import format_dictionary, parse_dictionary

__all__ = ["format_dictionary", "parse_dictionary"]
