"""What is trained: networks, losses, penalties and differentiable augmentations."""
