"""The admission core in virtual time: a provider, and clients that try again. Seeds repeat a run."""
