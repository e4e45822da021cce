"""What runs in the monolith beside its own code, since its chain is strangled."""
