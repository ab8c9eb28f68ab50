"""Pickles that run code where they are opened."""

import io
import pickle
from pathlib import Path

import torch

FORMS = ("pickle", "text", "torch", "old torch")


class Planted:
    """Makes the file `target` where it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def pickles(target):
    """What makes the file `target` where torch or pickle opens it, in each of FORMS."""
    new, old = io.BytesIO(), io.BytesIO()
    torch.save(Planted(target), new)
    torch.save(Planted(target), old, _use_new_zipfile_serialization=False)
    contents = pickle.dumps(Planted(target)), pickle.dumps(Planted(target), protocol=0), new.getvalue(), old.getvalue()
    return dict(zip(FORMS, contents, strict=True))
