"""Business modes that people declare, such as a peak: what changes together while one holds, and when it ends."""
