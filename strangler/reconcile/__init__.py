"""The judge: reads what all accounts say of a subject below a frontier, pairs it, and gives each effect a verdict."""
