"""The new side of a context: declared once as a `Service`, and everything that runs it."""
