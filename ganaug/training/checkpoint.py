"""Checkpoints of a training run, in files or in memory."""

import copy
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ganaug._runtime.storage import Tree, read_tree, write_tree


class Checkpoints:
    """Training states by step. Files are written completely or not at all.

    Parameters
    ----------
    folder : Path or None
        Folder of the files, such as `00001000.safetensors`. None keeps the states in memory.

    Examples
    --------
    >>> from ganaug.training.checkpoint import Checkpoints
    >>> checkpoints = Checkpoints(None)
    >>> for step in (0, 100, 200):
    ...     checkpoints.save(step, {"done": step})
    >>> checkpoints.keep_only({0, 200})
    >>> checkpoints.steps()
    [0, 200]
    >>> checkpoints.load(200)
    {'done': 200}
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[int, Tree] = {}

    def path(self, step: int) -> Path:
        """Return the path of the file of a step."""
        assert self.folder is not None
        return self.folder / f"{step:08d}.safetensors"

    def steps(self) -> list[int]:
        """Return the steps that have a checkpoint, in ascending order."""
        if self.folder is None:
            return sorted(self._memory)
        return sorted(int(file.stem) for file in self.folder.glob("*.safetensors") if file.stem.isdigit())

    def save(self, step: int, state: Tree) -> None:
        """Save the state of a step.

        Parameters
        ----------
        step : int
        state : dict
            Nested dictionaries and lists of tensors, numbers and strings; see `storage.Tree`.

        Raises
        ------
        OutputError
            If the file cannot be written. Earlier checkpoints are kept.
        """
        if self.folder is None:
            # copied, because training goes on to change the tensors in place
            self._memory[step] = copy.deepcopy(state)
        else:
            write_tree(self.path(step), state)

    def load(self, step: int) -> Tree:
        """Return the state of a step.

        Raises
        ------
        RunError
            If the file is missing or damaged.
        """
        # copied again, because an optimizer may continue in the tensors that it loads
        return copy.deepcopy(self._memory[step]) if self.folder is None else read_tree(self.path(step))

    def keep_only(self, steps: set[int]) -> None:
        """Delete the checkpoints of all steps except `steps`."""
        for step in set(self.steps()) - steps:
            if self.folder is None:
                del self._memory[step]
            else:
                self.path(step).unlink(missing_ok=True)


def all_finite(tree: object) -> bool:
    """Check that no tensor in nested dictionaries, lists and tuples holds NaN or infinity.

    Parameters
    ----------
    tree : object
        Anything that is not a tensor, dictionary, list or tuple counts as finite.

    Returns
    -------
    bool

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.checkpoint import all_finite
    >>> all_finite({"weights": [torch.ones(2), torch.tensor(float("nan"))]})
    False
    """
    if isinstance(tree, Tensor):
        return bool(tree.isfinite().all())
    if isinstance(tree, Mapping):
        return all(map(all_finite, tree.values()))
    return not isinstance(tree, list | tuple) or all(map(all_finite, tree))
