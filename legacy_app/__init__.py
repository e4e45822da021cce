"""The sample: a shop whose one request prices, scores, reserves, charges, mails and indexes before it answers."""
