"""Bytes of strangers: refused with a named error, or used; never more. The long form searches by coverage."""

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

from tests.faults.processes import limited_memory
from tests.faults.targets import TARGETS, seeds

SEEDS = seeds()
HOSTILE = [None, True, 0, -1, 2**63, 1e308, "", "../x", "/etc/passwd", "a\x00", [], {}, [[[]]], {"dict": []}, "\ud800"]
# few: they load torch modules or write many files
EXAMPLES = {"model": 60, "store": 60, "name": 60, "manifest": 100}
RUNS = {"image": 250_000, "tree": 150_000, "skeleton": 250_000, "metadata": 100_000, "config": 150_000, "tar": 60_000}
RUNS |= {"name": 20_000, "manifest": 20_000, "store": 10_000, "model": 10_000}


@pytest.fixture
def memory_for_strangers():
    """As the search by coverage has it; a MemoryError is no refusal, and fails the target."""
    with limited_memory(3 * 2**30):
        yield


def settled(target):
    return settings(
        max_examples=EXAMPLES.get(target, 300),
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def mutated(sound):
    """Sound bytes with some changed, left out or put in."""
    edits = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("=-+"), st.binary(min_size=1, max_size=4)), max_size=6)

    def edited(content, changes):
        for place, how, new in changes:
            at = int(place * len(content))
            content = content[:at] + (b"" if how == "-" else new) + content[at + (0 if how == "+" else len(new)) :]
        return content

    return st.one_of(st.builds(edited, st.sampled_from(sound), edits), st.binary(max_size=200))


@pytest.mark.usefixtures("memory_for_strangers")
@pytest.mark.parametrize("target", TARGETS)
def test_changed_bytes_are_refused_or_used(target):
    @settled(target)
    @given(mutated(SEEDS[target]))
    def holds(content):
        TARGETS[target](content)

    holds()


def places(value, path=()):
    """Every place in a JSON value."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        yield from places(item, (*path, key))


def with_value(value, path, new):
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = with_value(value[path[0]], path[1:], new)
    return changed


@pytest.mark.usefixtures("memory_for_strangers")
@pytest.mark.parametrize("target", ["skeleton", "model", "manifest", "store"])
def test_sound_json_with_any_one_value_replaced(target):
    """Every place, every hostile value."""
    whole = json.loads(SEEDS[target][0])
    for path in places(whole):
        for new in HOSTILE:
            TARGETS[target](json.dumps(with_value(whole, path, new)).encode("utf-8", "surrogatepass"))


@pytest.mark.usefixtures("memory_for_strangers")
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
def test_known_traps(target, content):
    TARGETS[target](content)


@pytest.mark.usefixtures("memory_for_strangers")
def test_a_model_that_says_it_is_huge_takes_no_memory():
    about = json.loads(SEEDS["model"][0])
    for name in ("width", "latent_size"):
        TARGETS["model"](json.dumps(about | {name: 10**9}).encode())
    TARGETS["model"](json.dumps(about | {"shape": [3, 2**20, 2**20]}).encode())


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize("target", TARGETS)
def test_a_search_by_coverage_finds_nothing(target):
    if importlib.util.find_spec("atheris") is None:
        pytest.fail('atheris does the searching. Install it: pip install "ganaug[fuzz]"')
    command = [sys.executable, str(Path(__file__).with_name("fuzz.py")), target, "--runs", str(RUNS[target])]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(re.search(r"Done (\d+) runs", done.stderr)[1]) >= RUNS[target]
