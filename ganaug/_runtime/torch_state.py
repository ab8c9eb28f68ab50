"""The state of torch that a user may have set, and that ganaug's results must not depend on."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

# the default dtype and the global generator belong to all threads; reentrant, because blocks can be nested
global_state_lock = threading.RLock()


@contextmanager
def plain_torch() -> Iterator[None]:
    """Run a block with torch's defaults: new tensors on the CPU, gradients on, no autocast.

    Usable as a context manager and as a decorator, but not of generators. It undoes `torch.set_default_device`,
    `torch.inference_mode`, `torch.no_grad`, `torch.set_grad_enabled` and `torch.autocast` for this thread, and restores
    them at the end. Other threads are not touched. The default dtype belongs to all threads, so code states dtypes
    instead.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.torch_state import plain_torch
    >>> with torch.device("meta"), torch.inference_mode():
    ...     with plain_torch():
    ...         inside = torch.ones(2).device.type, torch.is_grad_enabled()
    ...     inside, torch.ones(2).device.type
    (('cpu', True), 'meta')
    """
    with ExitStack() as stack:
        # a device context takes a little time in every operation, so it is entered only where it is needed
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(_outside_of_autocast())
        yield


@contextmanager
def _outside_of_autocast() -> Iterator[None]:
    """Run a block as if it were outside of every `torch.autocast` of this thread.

    A nested autocast that is off would not do: torch keeps the weights that it has cast until the outermost block ends,
    so training would continue with old ones.
    """
    device_types = [device_type for device_type in ("cpu", "cuda") if torch.is_autocast_enabled(device_type)]
    depth = torch.autocast_increment_nesting() - 1
    for _ in range(depth + 1):
        torch.autocast_decrement_nesting()
    for device_type in device_types:
        torch.set_autocast_enabled(device_type, False)
    if depth:
        torch.clear_autocast_cache()
    try:
        yield
    finally:
        for device_type in device_types:
            torch.set_autocast_enabled(device_type, True)
        for _ in range(depth):
            torch.autocast_increment_nesting()


@contextmanager
def float32_modules() -> Iterator[None]:
    """Create the parameters of layers in float32 while the block runs, whatever the default dtype is.

    The default dtype belongs to all threads, and layers of other code could be created without a dtype. So a lock lets
    one thread in at a time, and blocks are short.

    Examples
    --------
    >>> import torch
    >>> from ganaug._runtime.torch_state import float32_modules
    >>> torch.set_default_dtype(torch.float64)
    >>> with float32_modules():
    ...     layer = torch.nn.Linear(2, 2)
    >>> layer.weight.dtype, torch.get_default_dtype()
    (torch.float32, torch.float64)
    >>> torch.set_default_dtype(torch.float32)
    """
    with global_state_lock:
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
