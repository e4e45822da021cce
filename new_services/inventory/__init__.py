"""Inventory: reserves all of an order's pieces or none, and gives back what a cancellation or rejection frees."""
