"""How synthetic images can be used in training, for uses_of_synthetic.py, uses_of_features.py and training_time.py."""
