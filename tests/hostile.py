"""Pickles that run code when they are loaded."""

import io
import pickle
from pathlib import Path

import torch

FORMS = ("pickle", "text", "torch", "old torch")


class TouchesFile:
    """Creates the file `target` when it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


def pickles(target):
    """Bytes that create the file `target` when torch or pickle loads them, in each of FORMS."""
    new, old = io.BytesIO(), io.BytesIO()
    torch.save(TouchesFile(target), new)
    torch.save(TouchesFile(target), old, _use_new_zipfile_serialization=False)
    in_pickle = pickle.dumps(TouchesFile(target)), pickle.dumps(TouchesFile(target), protocol=0)
    return dict(zip(FORMS, (*in_pickle, new.getvalue(), old.getvalue()), strict=True))
