"""Reads that another application may answer: declared, compared off the client's path, moved by evidence."""
