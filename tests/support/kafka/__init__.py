"""Kafka in memory: what the port promises, without a broker. It passes the same contracts as the real one."""
