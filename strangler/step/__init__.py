"""The new side of one step: intents, the claims that say who acted, and the effects that are sent after the commit."""
