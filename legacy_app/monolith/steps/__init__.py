"""The links of the chain, in chain order: pricing, fraud, inventory, payment, notification, search, recommendation."""
