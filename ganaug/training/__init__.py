"""How a fit proceeds: batches, steps, the loop, checks, checkpoints and processes."""
