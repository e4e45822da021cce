"""Pressure: what waits in each context, since when, whether it drains, and who causes it. Reads, never writes."""
