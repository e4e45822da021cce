"""Subjects that were committed as pending: what they wait for, who goes on with them, and the rest of their chain."""
