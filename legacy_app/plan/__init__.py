"""What the shop's chain is, and what is right: nothing of it runs in the monolith."""
