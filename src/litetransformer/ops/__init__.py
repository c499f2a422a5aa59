"""Pure functions on tensors. Each op has a reference that defines it and faster versions beside it."""
