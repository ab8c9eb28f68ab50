"""The programs in pipelines/ run as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.test_cli import folder_of

EXPECTED_OUTPUT = {"pix2pix_masks_to_photos.py": "6 photos with masks", "cyclegan_rare_class.py": "cycle error"}
PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.mark.parametrize("name", sorted(path.name for path in PIPELINES.glob("*.py")))
def test_a_python_pipeline_runs(name, tmp_path):
    command = [sys.executable, PIPELINES / name, "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert EXPECTED_OUTPUT.get(name, "balanced accuracy") in done.stdout


def test_the_shell_pipeline_runs_and_undoes_its_work(tmp_path):
    data = folder_of(tmp_path / "data")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [PIPELINES / "augment_folder.sh", data, tmp_path / "out", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bright,6,8,14") == 2
    assert not (tmp_path / "out" / "bright").exists()
    assert (tmp_path / "out.run" / "previews").is_dir()
