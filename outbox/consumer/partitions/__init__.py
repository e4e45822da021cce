"""What is assigned to this member, and how far it is: lanes, positions, and what keeps them moving."""
