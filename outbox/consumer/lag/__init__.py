"""Lag: what a group has not applied yet, and since when; read from its positions and the log, for the dead too."""
