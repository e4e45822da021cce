"""Events that a group has passed, handled once more: a replay, or a projection built anew."""
