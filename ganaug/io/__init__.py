"""Image folders, archives and stores: listing, decoding, checking, reading, writing and undoing."""
