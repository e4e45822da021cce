"""Notification: the mails that confirm an order and its cancellations."""
