"""The command line, the result page and the measuring processes that all benchmark programs share.

Every program takes --out PAGE, --threads N and --smoke; where they apply also --seeds, --data DIR and --cache DIR.
Environment variables GANAUG_BENCHMARK_DATA and GANAUG_BENCHMARK_CACHE give the defaults of the last two.
"""

import argparse
import atexit
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from benchmarks.tables import system_line

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def program_parser(
    program: str, description: str | None, *, threads: int = 2, page: str | None = None
) -> argparse.ArgumentParser:
    """Parser with the options that every program has.

    Parameters
    ----------
    program : str
        Module name below `benchmarks`.
    description : str or None
        The program's module docstring, printed by --help.
    threads : int
        Default of --threads.
    page : str, optional
        Default name of the result page, in which {name} stands for the option of that name. None: the program's name.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{program}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, metavar="PAGE", help=f"result page [default: results/{page or program}.md]")
    parser.add_argument("--threads", type=int, default=threads, help="threads of torch")
    parser.add_argument("--smoke", action="store_true", help="run everything in seconds on a few images; no results")
    parser.set_defaults(program=program, page=page or program)
    return parser


def add_seeds(parser: argparse.ArgumentParser, default: Sequence[int]) -> None:
    """Add --seeds: one run for each seed."""
    parser.add_argument("--seeds", type=int, nargs="+", default=list(default), help="one run for each seed")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add --data, the folder of the image sets, and --cache, where models and scores are kept between calls."""
    data = os.environ.get("GANAUG_BENCHMARK_DATA", "benchmark-data")
    cache = os.environ.get("GANAUG_BENCHMARK_CACHE", str(Path.home() / ".cache" / "ganaug-benchmarks"))
    parser.add_argument("--data", type=Path, default=Path(data), help="folder of the image sets (see README.md)")
    parser.add_argument("--cache", type=Path, default=Path(cache), help="folder of models and scores to reuse")


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None, smoke: Mapping[str, Any]) -> argparse.Namespace:
    """Options of a run, with torch's threads set.

    Parameters
    ----------
    parser : ArgumentParser
        From `program_parser`.
    argv : sequence of str or None
        Arguments; None takes those of the process.
    smoke : mapping
        Values of options that --smoke sets. It also moves --cache and the library's cache into a folder that is removed
        at exit, and --out, unless it is among the arguments, into a temporary folder.
    """
    options = parser.parse_args(argv)
    options.argv = list(sys.argv[1:] if argv is None else argv)
    if options.smoke:
        cache = Path(tempfile.mkdtemp(prefix="ganaug-smoke-cache-"))
        atexit.register(shutil.rmtree, cache, ignore_errors=True)
        os.environ.setdefault("GANAUG_CACHE", str(cache / "library"))
        vars(options).update(threads=1, cache=cache, **smoke)
        options.out = options.out or Path(tempfile.mkdtemp(prefix="ganaug-smoke-")) / f"{options.program}.md"
    options.out = options.out or RESULTS / f"{options.page.format(**vars(options))}.md"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    return options


def write_page(options: argparse.Namespace, title: str, about: str, body: Sequence[str]) -> Path:
    """Write the result page: title, command, versions, hardware, date, `about`, and the tables in `body`.

    Returns
    -------
    Path
        The page. It is also printed.
    """
    warning = ["**A smoke run: these numbers mean nothing.**", ""] if options.smoke else []
    command = f"python -m benchmarks.{options.program} {shlex.join(options.argv)}".strip()
    lines = [f"# {title}", "", f"`{command}`", "", f"{system_line(options.threads)} {about}", "", *warning, *body, ""]
    write_whole(options.out, "\n".join(lines))
    print("\n".join(lines), flush=True)
    return Path(options.out)


def write_whole(path: Path, text: str) -> None:
    """Write a file completely or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def progress(text: str) -> None:
    """Print a line of progress to stderr."""
    print(text, file=sys.stderr, flush=True)


def run_isolated(
    function: Callable[..., dict[str, Any]],
    *arguments: Any,
    threads: int,
    in_process: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Call a function in a new process, so that its memory and start-up can be measured.

    Parameters
    ----------
    function : callable
        A module-level function of a benchmark program that returns a dict.
    *arguments
        Its arguments, as JSON can hold them.
    threads : int
        Threads of torch there.
    in_process : bool
        Call it here instead; smoke runs do.
    environment : mapping, optional
        Environment variables to set there.

    Returns
    -------
    dict
        What the function returns, and "peak_mib": the largest resident set of the process.

    Raises
    ------
    RuntimeError
        If the process fails; the message has the end of its stderr.
    """
    if in_process:
        return {**function(*arguments), "peak_mib": peak_mib()}
    module = f"benchmarks.{Path(function.__code__.co_filename).stem}"
    task = json.dumps([module, function.__name__, list(arguments), threads])
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.runner", task],
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module}.{function.__name__} failed in its process:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def peak_mib() -> float:
    """Largest resident set of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _isolated_main() -> None:
    """The other end of `run_isolated`."""
    module, name, arguments, threads = json.loads(sys.argv[1])
    torch.set_num_threads(threads)
    result = getattr(import_module(module), name)(*arguments)
    print(json.dumps({**result, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    _isolated_main()
