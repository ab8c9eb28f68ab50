"""Metrics: pure functions of features. They know no model and no report; `copies.sketch` alone looks at pixels."""
