"""Seeds and random generators.

All randomness derives from (seed, purpose, step), so that a run can be resumed exactly. The global random
state of Python, NumPy or torch is left alone, with two exceptions: `temporary_seed` seeds and restores it, and
`uniform`, `normal` and `integers` draw from torch's global generator if they are called with `generator=None`.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ganaug._runtime.torch_state import float32_modules

IMAGE_SEEDS = 2**53  # an image's seed must survive a CSV column that is read as float64


def derive(seed: int, *path: str | int) -> int:
    """Derive a seed for one purpose, independent of all other purposes with the same `seed`.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *path : str or int
        Names the purpose, such as ("batch", step).

    Returns
    -------
    int
        63-bit seed, from the BLAKE2b hash of `seed` and `path`.

    Examples
    --------
    >>> from ganaug._runtime.randomness import derive
    >>> derive(0, "batch", 1)
    6640070159547292350
    >>> derive(0, "batch", 1) == derive(0, "batch", 2)
    False
    """
    text = "/".join([str(seed), *map(str, path)])
    # 63 bits, so that a seed fits a signed 64-bit integer
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *path: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a new torch generator for one purpose.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *path : str or int
        Names the purpose; see `derive`.
    device : torch.device or str
        Device on which the generator draws.

    Returns
    -------
    torch.Generator
        Seeded with `derive(seed, *path)`.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.randomness import generator
    >>> torch.randperm(5, generator=generator(0, "order")).tolist()
    [1, 0, 3, 2, 4]
    """
    return torch.Generator(device=device).manual_seed(derive(seed, *path))


class SharedGenerator(torch.Generator):
    """A generator with the same state in each of several processes, which share out the rows that it draws.

    `uniform`, `normal` and `integers` draw the rows of all processes and return those of this process: row r belongs to
    process r % world_size. Together the processes get exactly what a single process would draw.

    Attributes
    ----------
    rank : int
        Rank of this process.
    world_size : int
        World size.

    Examples
    --------
    >>> from ganaug._runtime.randomness import SharedGenerator, integers
    >>> def draw(rank, world_size):
    ...     generator = SharedGenerator()
    ...     generator.manual_seed(0)
    ...     generator.rank, generator.world_size = rank, world_size
    ...     return integers(generator, 0, 10, 4 // world_size).tolist()
    >>> draw(0, 1), draw(0, 2), draw(1, 2)
    ([4, 9, 3, 0], [4, 3], [9, 0])
    """

    rank = 0
    world_size = 1


def shared_generator(
    seed: int, *path: str | int, device: torch.device | str = "cpu", rank: int = 0, world_size: int = 1
) -> SharedGenerator:
    """Return a new generator for one purpose, which draws the rows of one process.

    Parameters
    ----------
    seed, *path, device
        As in `generator`.
    rank, world_size : int
        Of the process.

    Returns
    -------
    SharedGenerator
        Seeded with `derive(seed, *path)`.

    Examples
    --------
    >>> from ganaug._runtime.randomness import integers, shared_generator
    >>> [integers(shared_generator(0, "rows", rank=rank, world_size=2), 0, 10, 2).tolist() for rank in (0, 1)]
    [[3, 6], [2, 6]]
    """
    generator = SharedGenerator(device)
    generator.manual_seed(derive(seed, *path))
    generator.rank, generator.world_size = rank, world_size
    return generator


def uniform(generator: torch.Generator | None, *shape: int, rows: int = 0) -> Tensor:
    """Draw from the uniform distribution on [0, 1).

    Parameters
    ----------
    generator : torch.Generator or None
        A `SharedGenerator` draws the rows of this process. None draws from torch's global generator.
    *shape : int
        Shape of the result on this process.
    rows : int
        Axis along which a `SharedGenerator` shares out what it draws.

    Returns
    -------
    Tensor
        float32 of `shape`, on the device of the generator.

    Examples
    --------
    >>> from ganaug._runtime.randomness import generator, uniform
    >>> uniform(generator(0, "example"), 2, 3).shape
    torch.Size([2, 3])
    """
    return _draw_rows(partial(torch.rand, generator=generator, dtype=torch.float32), generator, shape, rows)


def normal(generator: torch.Generator | None, *shape: int, rows: int = 0) -> Tensor:
    """Draw from the standard normal distribution; parameters and result as in `uniform`."""
    return _draw_rows(partial(torch.randn, generator=generator, dtype=torch.float32), generator, shape, rows)


def integers(generator: torch.Generator | None, low: int, high: int, *shape: int, rows: int = 0) -> Tensor:
    """Draw int64 integers from `low` (inclusive) to `high` (exclusive); otherwise as `uniform`."""
    return _draw_rows(partial(torch.randint, low, high, generator=generator), generator, shape, rows)


def _draw_rows(
    draw: Callable[..., Tensor], generator: torch.Generator | None, shape: tuple[int, ...], rows: int
) -> Tensor:
    """Draw the rows of all processes and return those of this one."""
    device = "cpu" if generator is None else generator.device
    if not isinstance(generator, SharedGenerator) or generator.world_size == 1:
        return draw(shape, device=device)
    all_rows = draw((*shape[:rows], shape[rows] * generator.world_size, *shape[rows + 1 :]), device=device)
    indices = torch.arange(generator.rank, all_rows.shape[rows], generator.world_size, device=device)
    return all_rows.index_select(rows, indices)


@contextmanager
def temporary_seed(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator while the block runs, and restore its state afterwards.

    For code that can only draw from the global generator, such as the initialization of layers, which are created in
    float32. The generators of accelerators are not touched. A lock lets one thread in at a time.

    Parameters
    ----------
    seed : int
        Seed for the block.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.randomness import temporary_seed
    >>> with temporary_seed(0):
    ...     first = torch.nn.Linear(2, 2).weight
    >>> with temporary_seed(0):
    ...     second = torch.nn.Linear(2, 2).weight
    >>> torch.equal(first, second)
    True
    """
    with float32_modules():
        state = torch.random.get_rng_state()
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            torch.random.set_rng_state(state)


def image_seeds(seed: int, name: str, start: int, count: int) -> Tensor:
    """Return the seeds of consecutive synthetic images of one stream.

    The seeds are consecutive, so any part of a stream can be drawn by itself: a shard, a replacement, or one image
    once more.

    Parameters
    ----------
    seed : int
        Seed of the model or of the request.
    name : str
        Name of the stream, such as a class name.
    start : int
        Position of the first image in the stream.
    count : int
        Number of images.

    Returns
    -------
    Tensor
        int64 of shape (count,), each in [0, 2**53).

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.randomness import image_seeds
    >>> seeds = image_seeds(0, "cat", 0, 10)
    >>> torch.equal(seeds[6:8], image_seeds(0, "cat", 6, 2))
    True
    """
    first = derive(seed, "image", name) % IMAGE_SEEDS
    return (first + torch.arange(start, start + count)) % IMAGE_SEEDS


def latents(seeds: Tensor, size: int, *, std: float = 1.0, truncation: float | None = None) -> Tensor:
    """Draw normal latent vectors; row i depends on `seeds[i]` alone.

    Parameters
    ----------
    seeds : Tensor
        int64 of shape (N,); see `image_seeds`.
    size : int
        Length of a latent vector.
    std : float
        Standard deviation. Above 1 it reaches farther from the mean than the latent vectors of training did.
    truncation : float or None
        Restrict the numbers to this many standard deviations around the mean (the truncation trick; Brock et al. 2019,
        section 3.1). Numbers are not redrawn until they fit: the inverse distribution function is truncated.

    Returns
    -------
    Tensor
        float32 of shape (N, size).

    Notes
    -----
    The numbers come from the counter-based generator Philox (Salmon et al. 2011), with the seed as the position in its
    stream. Neither the batch size nor the order of the images changes a row. The inverse distribution function of the
    normal distribution turns uniform numbers into normal ones.

    References
    ----------
    Brock, Donahue & Simonyan 2019, "Large scale GAN training for high fidelity natural image synthesis".
    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.randomness import image_seeds, latents
    >>> seeds = image_seeds(0, "cat", 0, 100)
    >>> latents(seeds, 16).shape
    torch.Size([100, 16])
    >>> torch.equal(latents(seeds[40:41], 16), latents(seeds, 16)[40:41])
    True
    >>> bool(latents(seeds, 16, truncation=0.5).abs().max() <= 0.5)
    True
    """
    blocks_per_row = -(-size // 4)  # a Philox block holds four doubles
    rows = torch.empty(len(seeds), size, dtype=torch.float32)
    run_starts = [0, *(torch.nonzero(seeds.diff() != 1).flatten() + 1).tolist(), len(seeds)]
    # one generator for each run of consecutive seeds, because creating one for each row is slow
    for begin, end in pairwise(run_starts):
        if begin == end:
            continue
        # counter-based: the numbers of any seed are reached at once, without those before it
        stream = np.random.Philox(key=0).advance(int(seeds[begin]) * blocks_per_row)
        numbers = np.random.Generator(stream).random((end - begin, blocks_per_row * 4))[:, :size]
        # random() can return exactly 0, whose normal is -inf; the shift is far below the resolution of float32
        probabilities = torch.from_numpy(numbers + 2.0**-54)
        if truncation is not None:
            limits = torch.special.ndtr(torch.tensor([-truncation, truncation], dtype=torch.float64))
            probabilities = torch.lerp(limits[0], limits[1], probabilities)
        # the inverse CDF takes one uniform number for each normal one; rejection methods take a varying count
        rows[begin:end] = torch.special.ndtri(probabilities).float()
    return rows if std == 1 else rows * std
