"""Rank, world size and local rank of this process, as launchers (torchrun, `accelerate launch`) set them."""

import os


def rank_and_world_size() -> tuple[int, int]:
    """Return rank and world size from the environment variables RANK and WORLD_SIZE.

    Returns
    -------
    rank : int
        Number of this process among all that were launched together, from 0.
    world_size : int
        Number of processes; (0, 1) when no launcher started several.

    Examples
    --------
    >>> from ganaug._runtime.launch import rank_and_world_size
    >>> rank_and_world_size()
    (0, 1)
    """
    # `or`, because an empty variable means the same as a missing one
    world_size = int(os.environ.get("WORLD_SIZE") or 1)
    return (int(os.environ.get("RANK") or 0), world_size) if world_size > 1 else (0, 1)


def local_rank() -> int:
    """Return the number of this process on its host, from LOCAL_RANK, which is also the index of its GPU."""
    return int(os.environ.get("LOCAL_RANK") or 0)
