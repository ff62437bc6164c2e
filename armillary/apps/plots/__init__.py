"""Pictures of distributions, errors and learning curves."""
