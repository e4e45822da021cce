"""Order: where each order stands, what it waits for and until when. No step of the chain: it acts on nothing."""
