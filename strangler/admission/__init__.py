"""Who is let in while there is not room for all: classes of work, their slots, and honest refusals. Pure."""
