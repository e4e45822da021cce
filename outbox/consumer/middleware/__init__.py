"""Handlers before the handler: what a flow's policy does with an event first."""
