"""Do synthetic images help a classifier? Baselines, training methods and their paired comparison."""
