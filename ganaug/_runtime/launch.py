"""What a launcher (`accelerate launch`, torchrun) told this process of its place among others."""

import os


def part_of_launch() -> tuple[int, int]:
    """(number of this process, how many were launched together); (0, 1) where nobody launched several."""
    parts = int(os.environ.get("WORLD_SIZE") or 1)
    return (int(os.environ.get("RANK") or 0), parts) if parts > 1 else (0, 1)


def place_on_host() -> int:
    """The number of this process among those on its host, which is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK") or 0)
