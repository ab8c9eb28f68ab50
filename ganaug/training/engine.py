"""The device and the precision of training."""

from functools import cache
from pathlib import Path

import torch

from ganaug._runtime.launch import local_rank, rank_and_world_size
from ganaug._runtime.lookup import unknown_name_message
from ganaug._runtime.messages import warn_user

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "bf16", "fp32")


def resolve_device(name: str | torch.device) -> torch.device:
    """Resolve the parameter `device` of an estimator.

    Parameters
    ----------
    name : str or torch.device
        "auto" (a GPU if there is one, else the CPU), "cpu", "cuda", "cuda:1", "mps", or a device, which is returned
        unchanged. Of several launched processes, each gets a GPU of its host for "auto" and "cuda".

    Returns
    -------
    torch.device

    Raises
    ------
    ValueError
        If the name is unknown, or torch finds no such device.

    Examples
    --------
    >>> from ganaug.training.engine import resolve_device
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    if isinstance(name, torch.device):
        return name
    if not isinstance(name, str):
        raise ValueError(f"device must be a name or a torch.device; got {name!r}.")
    if name == "auto":
        if torch.cuda.is_available():
            return _gpu_of_process()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device_type = name.split(":")[0]
    if device_type not in DEVICES[1:]:
        raise ValueError(unknown_name_message("device", name, list(DEVICES)))
    if (device_type == "cuda" and not torch.cuda.is_available()) or (
        device_type == "mps" and not torch.backends.mps.is_available()
    ):
        raise ValueError(f"device {name!r} was requested, but torch finds none. Use device='cpu' or 'auto'.")
    # torch alone would put every process of a host on GPU 0
    if name == "cuda":
        return _gpu_of_process()
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r} is not valid: {error}. Write 'cuda' or 'cuda:1'.") from error


def _gpu_of_process() -> torch.device:
    """Return the default GPU, or, of several processes on this host, the GPU of this one."""
    return torch.device("cuda", local_rank()) if rank_and_world_size()[1] > 1 else torch.device("cuda")


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Resolve the parameter `precision` of an estimator to the dtype of convolutions.

    Parameters
    ----------
    name : {"auto", "bf16", "fp32"}
        "auto" is bfloat16 if the processor multiplies it in hardware, else float32.
    device : torch.device

    Returns
    -------
    torch.dtype

    Raises
    ------
    ValueError
        If the name is unknown.

    Notes
    -----
    Weights, averages, losses and penalties are float32 at any precision. On a GPU, autocast also runs the power
    iteration of spectral normalization in bfloat16.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.engine import resolve_precision
    >>> resolve_precision("fp32", torch.device("cpu"))
    torch.float32
    """
    if name not in PRECISIONS:
        raise ValueError(unknown_name_message("precision", str(name), list(PRECISIONS)))
    if name == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def warn_of_emulation(precision: str | None, device: torch.device) -> None:
    """Warn that a run which was started in bfloat16 is resumed where bfloat16 is slow.

    Parameters
    ----------
    precision : {"bf16", "fp32"} or None
        Precision of the run, if it has one.
    device : torch.device
        Where it is resumed.

    Examples
    --------
    >>> import torch
    >>> from ganaug.training.engine import warn_of_emulation
    >>> warn_of_emulation("fp32", torch.device("cpu"))
    """
    if precision == "bf16" and not _multiplies_bfloat16(device):
        warn_user(
            f"the run was started in bfloat16 and continues in it, but this {device.type} does not multiply in "
            "bfloat16, so its steps are slow. A new run with precision='fp32' would be faster."
        )


def _multiplies_bfloat16(device: torch.device) -> bool:
    """Check whether a device multiplies bfloat16 in hardware; emulation is slower than float32."""
    if device.type == "cpu":
        return not _cpu_flags().isdisjoint({"avx512_bf16", "amx_bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


@cache
def _cpu_flags() -> frozenset[str]:
    """Read the feature flags of the CPU; empty on systems other than Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
