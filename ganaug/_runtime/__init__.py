"""Storage, randomness, threads and process ranks: what all other packages run on. Nothing here knows about images."""
