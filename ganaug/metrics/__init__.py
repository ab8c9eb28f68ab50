"""Metrics: pure functions of features. They know no image, no model and no report."""
