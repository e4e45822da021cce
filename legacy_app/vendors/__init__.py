"""Three vendors in one process of their own: payments, fraud, mail; with knobs to misbehave and ledgers to audit."""
