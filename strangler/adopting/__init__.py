"""An application that has not been strangled yet: what its source says of it, and the first files for it."""
