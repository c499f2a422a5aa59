"""Smaller models: pruning, shared values, and one entropy-coded file (`docs/compression.md`)."""
