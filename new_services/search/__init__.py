"""Search: one document per order, for the shop's and the merchants' order search."""
