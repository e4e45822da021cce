"""One file per question, each beside a peer, in one run, as a ratio."""
