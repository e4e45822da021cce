"""Recommendation: which articles are bought together, counted over baskets."""
