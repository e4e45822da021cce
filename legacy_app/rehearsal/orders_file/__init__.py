"""Orders and cancellations out of a file with the columns of the Online Retail data, in the order of the file."""

from legacy_app.rehearsal.orders_file.commands import CancelOrder, Command, PlaceOrder, commands
from legacy_app.rehearsal.orders_file.intake import Intake
from legacy_app.rehearsal.orders_file.source import SAMPLE, open_lines

__all__ = ["SAMPLE", "CancelOrder", "Command", "Intake", "PlaceOrder", "commands", "open_lines"]
