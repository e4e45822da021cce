"""Peers that are frameworks: scripts of their own, so that each may run on a Python that has it."""
