"""The impatient client: sends real orders with a short timeout, and retries what did not answer in time."""
