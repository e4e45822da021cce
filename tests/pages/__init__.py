"""What makes the pages of docs/ and holds them: generated references, blocks that are run, and the site."""
