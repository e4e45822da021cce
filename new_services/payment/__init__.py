"""Payment: charges an order once, whatever crashes; gives the money back when the order is rejected after all."""
