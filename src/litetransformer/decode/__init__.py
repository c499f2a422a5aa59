"""From a model to text: search, sampling, constraints and scores."""
