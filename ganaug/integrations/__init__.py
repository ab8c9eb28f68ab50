"""ganaug inside other libraries: one file a library, imported only by those who have it."""
