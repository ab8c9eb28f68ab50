"""The programs in pipelines/ run as they are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clusters import cluster_environment
from tests.end_to_end.test_cli import folder_of
from tests.processes import run_program

EXPECTED_OUTPUT = {
    "cyclegan_rare_class.py": "cycle error",
    "pix2pix_masks_to_photos.py": "6 photos with masks",
    "ray_sampling.py": "100 images in 2 shards",
}
NEEDED = {"cluster_evaluation.py": "ray", "ray_sampling.py": "ray"}  # extras that the test suite can do without
PIPELINES = Path(__file__).parents[2] / "pipelines"


# the evaluation on a cluster takes minutes on two cores
SLOW = {"cluster_evaluation.py": pytest.mark.slow}
PROGRAMS = [pytest.param(path.name, marks=SLOW.get(path.name, ())) for path in sorted(PIPELINES.glob("*.py"))]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_python_pipeline_runs(name, tmp_path):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    assert EXPECTED_OUTPUT.get(name, "balanced accuracy") in run(name, "--smoke", folder=tmp_path)


@pytest.mark.slow
def test_the_evaluation_runs_on_dask(tmp_path):
    pytest.importorskip("distributed")
    assert "balanced accuracy" in run("cluster_evaluation.py", "dask", "--smoke", folder=tmp_path)


def run(name, *arguments, folder):
    if name not in NEEDED:
        done = run_program(PIPELINES / name, *arguments, cwd=folder)
    else:
        command = [sys.executable, PIPELINES / name, *arguments]
        with cluster_environment() as environment:
            done = subprocess.run(
                command, capture_output=True, text=True, cwd=folder, timeout=600, check=False, env=environment
            )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_pipeline_runs_and_undoes_its_work(tmp_path):
    data = folder_of(tmp_path / "data")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [PIPELINES / "augment_folder.sh", data, tmp_path / "out", "--smoke"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bright,6,19,3,28") == 2
    assert not (tmp_path / "out" / "bright").exists()
    assert (tmp_path / "out.run" / "previews").is_dir()
