"""Flows: the policies of a plan, where they run, whether they may shed, and how it all hangs together."""
