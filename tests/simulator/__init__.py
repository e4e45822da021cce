"""The consumer core without threads, driven through random interleavings against invariants. Seeds repeat a run."""
