"""Data sets for training: converted user data, the validation split, and real mixed with synthetic images."""
