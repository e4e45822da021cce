"""The port to Kafka, and the one client behind it: records stay bytes, settings come in one value."""
