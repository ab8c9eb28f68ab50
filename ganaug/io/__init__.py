"""Image folders, archives and stores: list, decode, check, read, write and undo."""
