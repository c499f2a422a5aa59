"""Training: the loop, what it minimises, and what it keeps."""
