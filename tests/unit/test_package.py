"""What a user imports, and what importing costs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganaug

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_these():
    assert sorted(ganaug.__all__) == [
        "AugmentedClassifier", "ClassTranslator", "CycleGAN", "GANAugmenter", "LabeledImages", "MixedDataset",
        "Pix2Pix", "Report", "__version__", "bias_report", "build_store", "diversity_report", "read_folder",
        "utility_report", "write_folder",
    ]  # fmt: skip
    assert all(getattr(ganaug, name) is not None for name in ganaug.__all__)


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(AttributeError, match="GANAugmenter"):
        _ = ganaug.Augmenter


def test_importing_loads_nothing_heavy():
    code = "import sys, ganaug; print([m for m in ('torch', 'pandas', 'numpy', 'sklearn', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom ganaug.cli.main import main\n"
        "r = CliRunner().invoke(main, ['--help'])\nprint(r.exit_code, 'torch' in sys.modules, 'augment' in r.output)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "True"]


def test_the_hashed_versions_are_those_that_are_tested():
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    locked = (ROOT / "constraints.hashed.txt").read_text()
    names = re.findall(r"^([\w.-]+)==([^\s;]+)(?:[^\n\\]*)\\\n    --hash=sha256:[0-9a-f]{64}", locked, re.MULTILINE)
    assert {"torch", "numpy", "pillow", "safetensors", "accelerate"} <= {name for name, _ in names}
    assert len(names) == len(re.findall(r"^\S+==", locked, re.MULTILINE)), "one has no hash"
    assert not [name for name, version in names if tested.get(name, version) != version]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import torch; torch.load('x')",
        "from torch import load",
        "import torch as t; t.save(1, 'x')",
        "from torch.serialization import load",
        "import torch; torch.jit.load('x')",
        *(f"import {name}" for name in ("cloudpickle", "dill", "marshal", "shelve")),
    ],
)
def test_the_lint_lets_no_pickle_in(line):
    assert "TID251" in linted("--stdin-filename", "ganaug/new.py", "-", given=line)


def test_no_line_of_ganaug_is_exempt_from_that():
    assert linted("--ignore-noqa", "ganaug") == "All checks passed!\n"


def linted(*arguments, given=None):
    """What ruff says by the project's own rule."""
    pytest.importorskip("ruff", reason="ruff comes with the extra 'lint'")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, cwd=ROOT, check=False).stdout
