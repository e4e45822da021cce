"""The sample's rehearsal: its chain is strangled live on a throwaway stack, and reconciled. `make demo` runs it."""
