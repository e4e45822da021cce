"""What tests of every folder share: one wait, one clock, one HTTP stub, and the rigs that are used in more than one."""
