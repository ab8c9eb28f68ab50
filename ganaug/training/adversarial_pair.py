"""The networks that train against each other, each with its optimizer and its learning rate."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ganaug._runtime.storage import Tree
from ganaug.training.processes import Processes, shared


class AdversarialPair:
    """Modules by name ('generator', 'discriminator'), with fused Adam of a rate each; what every step does with them.

    modules: on their device; `sides[name]` is the module as all processes share it. rates: learning rates. A step calls
    `descend` after its backward pass; a run slows a side down by `scale`.
    """

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        rates: Mapping[str, float],
        betas: tuple[float, float],
        processes: Processes,
    ) -> None:
        self.processes, self.rates = processes, dict(rates)
        self.modules = {name: shared(module, processes) for name, module in modules.items()}
        self.factors = dict.fromkeys(modules, 1.0)
        self.share = 1.0
        self.device = next(next(iter(modules.values())).parameters()).device
        fused = self.device.type in ("cpu", "cuda")
        self.optimizers = {
            name: torch.optim.Adam(module.parameters(), rates[name], betas, fused=fused)
            for name, module in modules.items()
        }

    def __getitem__(self, name: str) -> nn.Module:
        return self.modules[name]

    def descend(self, name: str) -> None:
        """One step of the optimizer along the gradients that are there, averaged over processes."""
        self.processes.average(self.modules[name].parameters())
        self.optimizers[name].step()

    def decay(self, share: float) -> None:
        """Set every rate to this share of what it was first, and `scale` on top."""
        self.share = share
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = self.rates[name] * self.factors[name] * share

    def scale(self, name: str, factor: float) -> None:
        """Multiply the learning rate of one side, as it was first set, by `factor`."""
        self.factors[name] = factor
        self.decay(self.share)

    def gradient_norm(self, name: str) -> Tensor:
        """Of the gradients that the last backward pass left, scalar."""
        return nn.utils.get_total_norm([p.grad for p in self.modules[name].parameters() if p.grad is not None])

    def state_dict(self) -> Tree:
        """Weights, optimizers and what they were slowed down by."""
        return {
            **{name: module.state_dict() for name, module in self.modules.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "factors": self.factors,
        }

    def load_state_dict(self, state: Any) -> None:
        """Continue from `state_dict()`."""
        for name, module in self.modules.items():
            module.load_state_dict(state[name])
        for name, optimizer in self.optimizers.items():
            saved = state["optimizers"][name]
            moments = {int(key): value for key, value in saved["state"].items()}  # names of a stored tree are strings
            optimizer.load_state_dict({**saved, "state": moments})
            for parameter, own in optimizer.state.items():
                # in the parameter's memory format, else Adam rounds in another order than it did before
                own |= {key: _in_memory_format_of(value, parameter) for key, value in own.items()}
        self.factors = {name: float(factor) for name, factor in state["factors"].items()}


def _in_memory_format_of(value: Tensor, parameter: Tensor) -> Tensor:
    return torch.empty_like(parameter).copy_(value) if value.shape == parameter.shape else value
