"""Repeating, resuming and undoing `augment` and `fit`: each message names what to type next, and it works."""

import json
import os
import shlex
import signal

import pandas as pd
import pytest

from ganaug import GANAugmenter, TrainingRecipe, read_folder, write_folder
from ganaug.cli.options import Duration
from tests.end_to_end.test_cli import QUICK, in_this_process
from tests.processes import run_program, start_command
from tests.sets import tones

FILL = ["--strategy", "full", "--synthetic-share", "0.5", "--no-report"]


@pytest.fixture
def data(tmp_path):
    images = tones(12)
    return write_folder(images.take(range(20)), tmp_path / "data")


def test_after_undo_the_finished_generator_is_used_again(data, tmp_path):
    out, run = tmp_path / "out", tmp_path / "out.run"
    command = ["augment", data, out, *FILL, "--time-budget", "3s", *QUICK]
    first = in_this_process(*command)
    assert first.exit_code == 0, first.stderr
    names = sorted(path.name for path in out.rglob("*.png"))
    history = pd.read_csv(run / "history.csv")
    assert in_this_process("augment", data, out, "--undo").exit_code == 0
    again = in_this_process(*command)
    assert again.exit_code == 1
    assert "--resume" in again.stderr
    resumed = in_this_process(*command, "--resume")
    assert resumed.exit_code == 0, resumed.stderr
    assert "is finished" in resumed.stderr
    assert pd.read_csv(run / "history.csv")["step"].tolist() == history["step"].tolist()
    assert sorted(path.name for path in out.rglob("*.png")) == names


@pytest.mark.parametrize("verb", ["fit", "augment"])
def test_resuming_what_does_not_exist_says_so(verb, data, tmp_path):
    place = ["--run", tmp_path / "nothing"]
    options = [] if verb == "fit" else [tmp_path / "out", *FILL]
    result = in_this_process(verb, data, *options, *place, "--resume", "--steps", "4", *QUICK)
    assert result.exit_code == 1
    assert "there is no run to resume" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_command_that_is_printed_after_ctrl_c_continues_the_run(data, tmp_path):
    log, run = tmp_path / "log", tmp_path / "my run"
    process = start_command("fit", data, "--run", run, "--time-budget", "20s", *QUICK, log=log)
    while not list(run.glob("checkpoints/*")) and process.is_alive():
        process.join(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    assert process.exitcode == 128 + signal.SIGINT
    command = next(line for line in log.read_text().splitlines() if line.startswith("  ganaug "))
    words = shlex.split(command)
    assert words[0] == "ganaug"
    assert words[-1] == "--resume"
    words[words.index("20s")] = "1s"  # the rest of the command as it is printed
    resumed = run_program(None, *words[1:])
    assert resumed.returncode == 0, resumed.stderr


def test_a_mistyped_verb_is_answered_with_the_right_one():
    result = in_this_process("agument", "data", "out")
    assert result.exit_code == 2
    assert "Did you mean 'augment'?" in result.stderr


@pytest.mark.parametrize(("text", "seconds"), [("5min", 300), ("90", 90), ("2 m", 120), ("1.5h", 5400)])
def test_durations(text, seconds, capsys):
    assert Duration().convert(text, None, None) == seconds
    # a bare number could be meant as minutes
    assert ("90 seconds." in capsys.readouterr().err) == (text == "90")


def test_resume_needs_the_run_folder_only(data, tmp_path, monkeypatch):
    log, run = tmp_path / "log", tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    process = start_command("fit", "data", "--run", "run", "--time-budget", "30s", *QUICK, log=log)
    while not list(run.glob("checkpoints/*")) and process.is_alive():
        process.join(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.join(60)
    started = json.loads((run / "config.json").read_text())["params"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # relative paths of the first command are those of its folder
    done = in_this_process("fit", "--run", run, "--resume", "--time-budget", "1s")
    assert done.exit_code == 0, done.stderr
    assert "Options that are not given are those of the run." in done.stderr
    model = json.loads((run / "model" / "model.json").read_text())
    assert model["params"]["time_budget"] == 1
    assert {name: model["params"][name] for name in ("batch_size", "image_size")} == {
        name: started[name] for name in ("batch_size", "image_size")
    }


def test_augment_resumes_with_its_strategy_and_out_folder(data, tmp_path):
    out, run = tmp_path / "out", tmp_path / "elsewhere.run"
    command = ["augment", data, out, *FILL, "--run", run, "--steps", "4", *QUICK]
    first = in_this_process(*command)
    assert first.exit_code == 0, first.stderr
    counts = first.stdout
    assert in_this_process("augment", data, out, "--undo").exit_code == 0
    again = in_this_process("augment", "--run", run, "--resume")
    assert again.exit_code == 0, again.stderr
    assert again.stdout == counts


def test_options_of_another_verb_are_not_used(data, tmp_path):
    run = tmp_path / "run"
    assert in_this_process("fit", data, "--run", run, "--steps", "2", *QUICK).exit_code == 0
    result = in_this_process("augment", "--run", run, "--resume")
    assert result.exit_code == 2
    assert "DATA" in result.stderr


def test_options_of_a_resumed_run_are_added_to_and_remembered(data, tmp_path, monkeypatch):
    run = tmp_path / "run"
    gan = GANAugmenter(n_steps=2, batch_size=16, filters=None, recipe=TrainingRecipe(width=8, latent_size=8))
    gan.fit(read_folder(data)).save(tmp_path / "start")
    monkeypatch.chdir(tmp_path)
    first = in_this_process("fit", "data", "--run", "run", "--steps", "2", "--param", "init_from=start", *QUICK)
    assert first.exit_code == 0, first.stderr
    monkeypatch.chdir("/")
    longer = in_this_process("fit", "--run", run, "--resume", "--steps", "4", "--param", "patience=9")
    assert longer.exit_code == 1  # patience may not change, but the others were those of the run
    assert "patience was" in longer.stderr
    assert "init_from was" not in longer.stderr
    longer = in_this_process("fit", "--run", run, "--resume", "--steps", "4", "--param", "verbose=0")
    assert longer.exit_code == 2  # not a parameter of the command line
    assert in_this_process("fit", "--run", run, "--resume", "--steps", "6").exit_code == 0
    stored = json.loads((run / "command.json").read_text())["options"]
    assert stored["steps"] == 6
    assert f"init_from={tmp_path / 'start'}" in stored["param"]


@pytest.mark.parametrize(
    ("verb", "options", "message"),
    [
        ("fit", ("--run", "{data}/run", "--unlabeled", "{data}"), "lies inside --unlabeled"),
        ("fit", ("--run", "{data}.run", "--unlabeled", "{data}", "--image-size", "8:crop"), "stretches images"),
        ("augment", ("{data}.out", "--unlabeled", "{data}", "--method", "auto"), "need one method"),
        (
            "evaluate",
            ("--out", "r.html", "--run", "{data}", "--unlabeled", "{data}"),
            "--run and --synthetic out",
        ),
    ],
)
def test_images_without_a_class_that_would_be_ignored_or_wrong_are_refused(verb, options, message, data):
    result = in_this_process(verb, data, *(option.format(data=data) for option in options))
    assert result.exit_code == 2
    assert message in result.stderr
