"""Storage, randomness, threads and processes: what the other packages run on. Nothing here knows images."""
