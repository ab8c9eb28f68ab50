"""Checkpoints of a run: one safetensors file a step, written whole or not at all; in memory without a folder."""

import copy
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ganaug._runtime.storage import Tree, read_tree, write_tree


class Checkpoints:
    """The training states kept of one run, by step.

    folder: where the files `00001000.safetensors` lie; None keeps them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._memory: dict[int, Tree] = {}

    def path(self, step: int) -> Path:
        """The file of `step`."""
        assert self.folder is not None
        return self.folder / f"{step:08d}.safetensors"

    def steps(self) -> list[int]:
        """The steps that there are, in order."""
        if self.folder is None:
            return sorted(self._memory)
        return sorted(int(file.stem) for file in self.folder.glob("*.safetensors") if file.stem.isdigit())

    def save(self, step: int, state: Tree) -> None:
        """Keep `state` as that of `step`. Raises OutputError when it cannot be written; the earlier ones stay."""
        if self.folder is None:
            self._memory[step] = copy.deepcopy(state)
        else:
            write_tree(self.path(step), state)

    def load(self, step: int) -> Tree:
        """The state of `step`. Raises RunError when its file is missing or damaged."""
        return copy.deepcopy(self._memory[step]) if self.folder is None else read_tree(self.path(step))

    def keep_only(self, steps: set[int]) -> None:
        """Drop every checkpoint but those of `steps`."""
        for step in set(self.steps()) - steps:
            if self.folder is None:
                del self._memory[step]
            else:
                self.path(step).unlink(missing_ok=True)


def all_finite(tree: object) -> bool:
    """Whether no tensor of a tree holds NaN or an infinite number."""
    if isinstance(tree, Tensor):
        return bool(tree.isfinite().all())
    if isinstance(tree, Mapping):
        return all(map(all_finite, tree.values()))
    return not isinstance(tree, list | tuple) or all(map(all_finite, tree))
