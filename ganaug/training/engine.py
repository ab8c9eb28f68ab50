"""Where training runs."""

import torch

from ganaug.lookup import unknown


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
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda", "mps"):
        raise ValueError(unknown("device", name, ["auto", "cpu", "cuda", "mps"]))
    if (kind == "cuda" and not torch.cuda.is_available()) or (kind == "mps" and not torch.backends.mps.is_available()):
        raise ValueError(f"device {name!r} was asked for, but torch sees none here. Use device='cpu' or 'auto'.")
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device {name!r} is none: {error}. Write 'cuda' or 'cuda:1'.") from error
