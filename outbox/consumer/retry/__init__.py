"""When a run that failed is tried again, and what spares whatever is down: budget, breaker, pace, flood gate."""
