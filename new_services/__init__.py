"""The new side of the sample: seven contexts that take its steps over, and agree with it on JSON alone."""
