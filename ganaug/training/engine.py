"""Where training runs, and at what precision."""

from functools import cache
from pathlib import Path

import torch

from ganaug._runtime.launch import part_of_launch, place_on_host
from ganaug._runtime.lookup import unknown

PRECISIONS = ("auto", "bf16", "fp32")


def device_for(name: str | torch.device) -> torch.device:
    """'auto' (a GPU when there is one), 'cpu', 'cuda', 'cuda:1', 'mps' or a device -> the device.

    Raises ValueError when the name is unknown or no such device is here.
    """
    if isinstance(name, torch.device):
        return name
    if not isinstance(name, str):
        raise ValueError(f"device must be a name or a torch.device; got {name!r}.")
    if name == "auto":
        if torch.cuda.is_available():
            return _own_gpu()
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise ValueError(unknown("device", name, ["auto", "cpu", "cuda", "mps"]))
    if (kind == "cuda" and not torch.cuda.is_available()) or (kind == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device {name!r} was asked for, but torch sees none here. Use device='cpu' or 'auto'.")
    if name == "cuda":
        return _own_gpu()
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r} is none: {error}. Write 'cuda' or 'cuda:1'.") from error


def _own_gpu() -> torch.device:
    """The one GPU, or that of this process among those launched on the host."""
    return torch.device("cuda", place_on_host()) if part_of_launch()[1] > 1 else torch.device("cuda")


def precision_for(name: str, device: torch.device) -> torch.dtype:
    """'auto' (bfloat16 where the processor multiplies in it, else float32), 'bf16', 'fp32' -> the convolutions' dtype.

    Raises ValueError for another name. Weights, averages, losses and penalties are float32 at any precision; on a GPU
    autocast also takes the spectral norm's power iteration to bfloat16.
    """
    if name not in PRECISIONS:
        raise ValueError(unknown("precision", str(name), list(PRECISIONS)))
    if name == "auto":
        return torch.bfloat16 if _multiplies_bfloat16(device) else torch.float32
    return torch.bfloat16 if name == "bf16" else torch.float32


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cpu":
        return not processor_flags().isdisjoint({"avx512_bf16", "amx_bf16"})
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


@cache
def processor_flags() -> frozenset[str]:
    """What Linux says the processor can do; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())
