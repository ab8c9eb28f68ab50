"""The public names, and what importing them loads."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import ganaug

ROOT = Path(__file__).parents[2]


def test_the_public_names_are_pinned():
    assert sorted(ganaug.__all__) == [
        "AugmentedClassifier", "ClassTranslator", "CycleGAN", "GANAugmenter", "LabeledImages", "MixedDataset",
        "Pix2Pix", "PretrainedSampler", "Report", "TrainingRecipe", "TranslationRecipe", "__version__",
        "augment_folder", "bias_report", "build_store", "diversity_report", "export_model", "read_folder",
        "to_labeled_images", "utility_report", "write_folder",
    ]  # fmt: skip
    assert all(getattr(ganaug, name) is not None for name in ganaug.__all__)


def test_the_error_for_an_unknown_name_lists_the_public_ones():
    with pytest.raises(AttributeError, match="GANAugmenter"):
        _ = ganaug.Augmenter


def test_integrations_are_listed_and_load_on_use():
    from ganaug import integrations

    assert dir(integrations) == sorted(integrations.__all__)
    modules = {path.stem for path in Path(integrations.__file__).parent.glob("[!_]*.py")}
    assert modules == set(integrations.__all__)
    assert integrations.masks.edited_masks.__module__ == "ganaug.integrations.masks"
    with pytest.raises(AttributeError, match=r"no module 'lightning'\. Modules: albumentations, masks\."):
        _ = integrations.lightning


def test_importing_ganaug_loads_nothing_heavy():
    code = (
        "import sys, ganaug.integrations\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'sklearn', 'PIL', 'albumentations') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_help_of_the_command_line_loads_nothing_heavy():
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom ganaug.cli.main import main\n"
        "r = CliRunner().invoke(main, ['--help'])\nprint(r.exit_code, 'torch' in sys.modules, 'augment' in r.output)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["0", "False", "True"]


def test_the_hashed_versions_are_the_tested_ones():
    tested = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    locked = (ROOT / "constraints.hashed.txt").read_text()
    names = re.findall(r"^([\w.-]+)==([^\s;]+)(?:[^\n\\]*)\\\n    --hash=sha256:[0-9a-f]{64}", locked, re.MULTILINE)
    assert {"torch", "numpy", "pillow", "safetensors", "accelerate"} <= {name for name, _ in names}
    assert len(names) == len(re.findall(r"^\S+==", locked, re.MULTILINE)), "a requirement has no hash"
    assert not [name for name, version in names if tested.get(name, version) != version]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "import joblib; joblib.dump(1, 'x')",
        "from joblib import Memory",
        "from joblib.memory import Memory",
        "from joblib.numpy_pickle import load",
        "import joblib.externals.cloudpickle",
        "import torch; torch.load('x')",
        "from torch import load",
        "import torch as t; t.save(1, 'x')",
        "from torch.serialization import load",
        "import torch; torch.jit.load('x')",
        *(f"import {name}" for name in ("cloudpickle", "dill", "marshal", "shelve")),
    ],
)
def test_the_linter_refuses_pickle(line):
    assert "TID251" in lint("--stdin-filename", "ganaug/new.py", "-", source=line)


def test_no_line_of_ganaug_is_exempt_from_this_rule():
    assert lint("--ignore-noqa", "ganaug") == "All checks passed!\n"


def lint(*arguments, source=None):
    """Return the output of ruff for the project's rule against pickle."""
    pytest.importorskip("ruff", reason="ruff comes with the extra 'lint'")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", *arguments]
    return subprocess.run(command, input=source, capture_output=True, text=True, cwd=ROOT, check=False).stdout
