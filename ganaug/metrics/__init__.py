"""Metrics: pure functions of features, that know no model and no report.

`copies`, `alignment` and `traces` alone look at pixels.
"""
