"""Networks on the meta device: same names, sizes and types as with memory, and no import of torch's compiler."""

import subprocess
import sys

import pytest
import torch

from ganaug._runtime.meta import meta_networks
from ganaug.models import NETWORKS
from ganaug.sampling.translation_model import generators
from ganaug.training.translation_batches import Domain
from tests.sets import SMALL, augmenter, tones

PROGRAM = """
import sys
from ganaug import GANAugmenter, diversity_report
from tests.sets import tones
samples = GANAugmenter.load(sys.argv[1]).sample(3)
diversity_report(tones(4), samples)
print(len(samples), [name for name in ("torch._dynamo", "torch._inductor", "sympy") if name in sys.modules])
"""


def described(network):
    return {name: (value.shape, value.dtype) for name, value in network.state_dict().items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_on_the_meta_device_have_the_same_tensors(name):
    sizes = ((3, 33, 20), 3, 8, 4)
    with meta_networks():
        network = NETWORKS[name].generator(*sizes)
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
    assert described(network) == described(NETWORKS[name].generator(*sizes))


@pytest.mark.parametrize("kind", ["pix2pix", "cyclegan"])
def test_translators_on_the_meta_device_have_the_same_tensors(kind):
    domains = Domain((3, 32, 32), None), Domain((1, 32, 32), None)
    with meta_networks():
        network = generators(kind, domains, 4)
    assert {value.device.type for value in network.state_dict().values()} == {"meta"}
    assert described(network) == described(generators(kind, domains, 4))


def test_no_random_number_is_drawn():
    before = torch.get_rng_state()
    with meta_networks():
        NETWORKS["dcgan"].generator((3, 16, 16), 3, 8, 4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("network", ["dcgan", "dcgan-smooth"])
def test_loading_sampling_and_reports_do_not_import_the_compiler_of_torch(tmp_path, network):
    augmenter(network, n_steps=1, **SMALL).fit(tones(4)).save(tmp_path)
    result = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)
    assert result.stdout.split(maxsplit=1) == ["3", "[]\n"], result.stderr
