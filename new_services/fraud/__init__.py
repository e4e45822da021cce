"""Fraud: scores an order before anything is taken; refuses the risky at once, reviews the doubtful afterwards."""
