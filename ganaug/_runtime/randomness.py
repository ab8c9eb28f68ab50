"""Seeds and generators. All randomness derives from (seed, step), so that a run can be resumed exactly.

Nothing here reads or changes the global random state of Python, NumPy or torch.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

_global_state = threading.RLock()
IMAGE_SEEDS = 2**53  # an image's seed must survive a CSV column that is read back as float64


def derive(seed: int, *path: str | int) -> int:
    """A 63-bit seed for the purpose that `path` names, independent of every other purpose of the same `seed`."""
    text = "/".join([str(seed), *map(str, path)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *path: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A torch generator of its own for (seed, *path)."""
    return torch.Generator(device=device).manual_seed(derive(seed, *path))


class SharedGenerator(torch.Generator):
    """A generator that each of `parts` processes has alike. `uniform`, `normal` and `integers` give a process its rows.

    Row r of what is drawn belongs to process r % parts, so that together they have what one process would have drawn.
    """

    part = 0
    parts = 1


def uniform(generator: torch.Generator | None, *shape: int, rows: int = 0) -> Tensor:
    """Uniform in [0, 1), on the generator's device. rows: the axis along which processes share."""
    return _own_rows(partial(torch.rand, generator=generator), generator, shape, rows)


def normal(generator: torch.Generator | None, *shape: int, rows: int = 0) -> Tensor:
    """Standard normal; otherwise as `uniform`."""
    return _own_rows(partial(torch.randn, generator=generator), generator, shape, rows)


def integers(generator: torch.Generator | None, low: int, high: int, *shape: int, rows: int = 0) -> Tensor:
    """Whole numbers from `low` to below `high`; otherwise as `uniform`."""
    return _own_rows(partial(torch.randint, low, high, generator=generator), generator, shape, rows)


def _own_rows(
    draw: Callable[..., Tensor], generator: torch.Generator | None, shape: tuple[int, ...], rows: int
) -> Tensor:
    device = "cpu" if generator is None else generator.device
    if not isinstance(generator, SharedGenerator) or generator.parts == 1:
        return draw(shape, device=device)
    whole = draw((*shape[:rows], shape[rows] * generator.parts, *shape[rows + 1 :]), device=device)
    own = torch.arange(generator.part, whole.shape[rows], generator.parts, device=device)
    return whole.index_select(rows, own)


@contextmanager
def temporary_seed(seed: int) -> Iterator[None]:
    """Lets code that can only draw from torch's global CPU state (such as the making of layers) draw from `seed`.

    The state is given back untouched, and accelerators' states are not looked at. One thread at a time.
    """
    with _global_state:
        before = torch.random.get_rng_state()
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.random.set_rng_state(before)


def image_seeds(seed: int, name: str, start: int, count: int) -> Tensor:
    """Seeds of images `start`..`start + count` of the stream `name`: int64, (count,), each in [0, 2**53).

    Consecutive, so that any part of a stream can be drawn alone (a shard, a replacement, one image again).
    """
    first = derive(seed, "image", name) % IMAGE_SEEDS
    return (first + torch.arange(start, start + count)) % IMAGE_SEEDS


def latents(seeds: Tensor, size: int, *, std: float = 1.0, truncation: float | None = None) -> Tensor:
    """Normal latent vectors, float32, (len(seeds), size); row i depends on `seeds[i]` alone.

    std: their standard deviation; above 1 reaches farther out than training did. truncation: numbers beyond this many
    standard deviations are drawn anew (Brock et al. 2019, section 3.1), here by the truncated inverse distribution.
    Counter-based (Philox; Salmon et al. 2011): the seed is the place in the stream, so neither the batch nor the
    order in which images are drawn changes a row. Uniforms become normals by the inverse distribution function.
    """
    blocks = -(-size // 4)  # Philox yields four doubles a counter
    rows = torch.empty(len(seeds), size)
    starts = [0, *(torch.nonzero(seeds.diff() != 1).flatten() + 1).tolist(), len(seeds)]
    for begin, end in pairwise(starts):
        if begin == end:
            continue
        stream = np.random.Philox(key=0).advance(int(seeds[begin]) * blocks)
        # random() can return exactly 0, whose normal is -inf; the shift is far below float32's resolution
        uniform = torch.from_numpy(np.random.Generator(stream).random((end - begin, blocks * 4))[:, :size] + 2.0**-54)
        if truncation is not None:
            inside = torch.special.ndtr(torch.tensor([-truncation, truncation], dtype=torch.float64))
            uniform = torch.lerp(inside[0], inside[1], uniform)
        rows[begin:end] = torch.special.ndtri(uniform).float()
    return rows if std == 1 else rows * std
