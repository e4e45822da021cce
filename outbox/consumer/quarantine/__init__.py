"""Events that cannot be handled now: parked with their keys, looked at by a person, released in order."""
