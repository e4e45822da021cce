"""A plan held against itself, its services and the application's seams, without any database."""
