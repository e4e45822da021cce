"""What must add up, counted from the tables and the vendors' own ledgers."""
