"""Whole models: specs that describe them, the networks, their checkpoints."""
