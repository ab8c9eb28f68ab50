"""Networks without memory or values: only names, sizes and types of their tensors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ganaug._runtime.library_defaults import float32_modules

FILL_WITH_RANDOM = {"normal_", "uniform_", "kaiming_normal_", "kaiming_uniform_", "trunc_normal_"}
CREATE_RANDOM = {"rand", "randn"}


class _NoRandomNumbers(TorchFunctionMode):
    """Leave tensors as they are where code would fill them with random numbers."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in FILL_WITH_RANDOM:
            return args[0] if args else options["tensor"]
        return (torch.empty if name in CREATE_RANDOM else func)(*args, **options)


@contextmanager
def meta_networks() -> Iterator[None]:
    """Create networks on torch's meta device while the block runs, without initializing them.

    To draw random numbers there, torch imports its compiler, which takes seconds, although no number is drawn.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.meta import meta_networks
    >>> with meta_networks():
    ...     weight = torch.nn.Linear(1000000, 1000000).weight
    >>> weight.device.type, tuple(weight.shape)
    ('meta', (1000000, 1000000))
    """
    with float32_modules(), torch.device("meta"), _NoRandomNumbers():
        yield
