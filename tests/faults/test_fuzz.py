"""Untrusted bytes are used or refused with a named error. The slow form is coverage-guided fuzzing."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.targets import TARGETS, seeds
from tests.processes import limited_memory

SEEDS = seeds()
HOSTILE = [None, True, 0, -1, 2**63, 1e308, "", "../x", "/etc/passwd", "a\x00", [], {}, [[[]]], {"dict": []}, "\ud800"]
# few, because these targets load torch modules or write many files
MAX_EXAMPLES = {"model": 60, "store": 60, "name": 60, "manifest": 100}
RUNS = {"image": 250_000, "tree": 150_000, "skeleton": 250_000, "metadata": 100_000, "config": 150_000, "tar": 60_000}
RUNS |= {"name": 20_000, "manifest": 20_000, "store": 10_000, "model": 10_000}


@pytest.fixture
def fuzzing_memory_limit():
    """The same limit as in fuzz.py. A MemoryError is not a refusal and fails the target."""
    with limited_memory(3 * 2**30):
        yield


def settings_for(target):
    return settings(
        max_examples=MAX_EXAMPLES.get(target, 300),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def mutated(valid):
    """A strategy of valid bytes with some changed, removed or inserted."""
    edits = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("=-+"), st.binary(min_size=1, max_size=4)), max_size=6)

    def edit(content, changes):
        for position, operation, new in changes:
            start = int(position * len(content))
            end = start + (0 if operation == "+" else len(new))
            content = content[:start] + (b"" if operation == "-" else new) + content[end:]
        return content

    return st.one_of(st.builds(edit, st.sampled_from(valid), edits), st.binary(max_size=200))


@pytest.mark.usefixtures("fuzzing_memory_limit")
@pytest.mark.parametrize("target", TARGETS)
def test_changed_bytes_are_refused_or_used(target):
    @settings_for(target)
    @given(mutated(SEEDS[target]))
    def check(content):
        TARGETS[target](content)

    check()


def paths_in(value, path=()):
    """The path of every value inside a JSON value."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from paths_in(item, (*path, key))


def with_value(value, path, new):
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = with_value(value[path[0]], path[1:], new)
    return changed


@pytest.mark.usefixtures("fuzzing_memory_limit")
@pytest.mark.parametrize("target", ["skeleton", "model", "manifest", "store"])
def test_valid_json_with_any_one_value_replaced(target):
    """Every path, every hostile value."""
    valid = json.loads(SEEDS[target][0])
    for path in paths_in(valid):
        for new in HOSTILE:
            TARGETS[target](json.dumps(with_value(valid, path, new)).encode("utf-8", "surrogatepass"))


@pytest.mark.usefixtures("fuzzing_memory_limit")
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"\xff\xfe",
        b"a: &x [1]\nb: [*x, *x]",
        b"a: 2001-99-99",
        b"- " * 20_000,
        b"cat=\x1c2",
        b"cat=" + b"9" * 5000,
        b'{"format": 1, "width": 1000000000, "latent_size": 1000000000}',
    ],
)
@pytest.mark.parametrize("target", TARGETS)
def test_known_malicious_inputs(target, content):
    TARGETS[target](content)


@pytest.mark.usefixtures("fuzzing_memory_limit")
def test_a_model_that_claims_to_be_huge_takes_no_memory():
    about = json.loads(SEEDS["model"][0])
    for name in ("width", "latent_size"):
        TARGETS["model"](json.dumps(about | {name: 10**9}).encode())
    TARGETS["model"](json.dumps(about | {"shape": [3, 2**20, 2**20]}).encode())


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("target", TARGETS)
def test_coverage_guided_fuzzing_finds_nothing(target):
    if importlib.util.find_spec("atheris") is None:
        pytest.fail('fuzzing needs atheris: pip install "ganaug[fuzz]"')
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), target, "--runs", str(RUNS[target])]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    assert int(re.search(r"Done (\d+) runs", result.stderr)[1]) >= RUNS[target]
