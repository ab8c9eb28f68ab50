"""What users import from `ganaug.models`."""

import subprocess
import sys

import ganaug.models


def test_every_public_name_exists_and_submodules_are_not_hidden():
    for name in ganaug.models.__all__:
        assert getattr(ganaug.models, name) is not None
    assert ganaug.models.augmentations.translation is ganaug.models.translation
    assert ganaug.models.penalties.PENALTIES is ganaug.models.PENALTIES


def test_a_submodule_can_be_imported_first():
    code = "import ganaug.models.networks.blocks as blocks; print(blocks.upsampling_plan((1, 28, 28)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(2, (7, 7))"
