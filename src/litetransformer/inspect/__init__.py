"""Looking at models: what they cost and how they mix positions."""
