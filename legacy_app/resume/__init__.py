"""The resumer: stores the new side's outcomes, and goes on with pending orders that nobody waits for any more."""
