"""Reports: what was measured, as a verdict, a table, a JSON file and a page. They know images, never a model."""
