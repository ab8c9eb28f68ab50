"""Memory that ends at each stage, weights that are no numbers: a named error, nothing half-written, never a hang."""

import pytest
import torch

from ganaug import GANAugmenter
from ganaug.errors import RunError
from ganaug.storage import is_left, read_json, read_tree, write_json, write_tree
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.sets import SMALL, hashes, tones

STAGES = {
    "reading": "ganaug.data.folder.read_and_inspect",
    "copying the set": "ganaug.estimators.augmenter.make_plan",
    "training the referee": "ganaug.estimators.base.train_referee",
    "a step": "ganaug.training.steps.AdversarialStep.update_generator",
    "judging": "ganaug.training.referee.Referee.logits",
    "the preview": "ganaug.estimators.evaluation.preview",
    "sampling": "ganaug.estimators.model.GeneratorModel.draw",
    "encoding": "ganaug.data.writing.png",
    "the report": "ganaug.reports.diversity.diversity_report",
}
ERRORS = {
    "Python": MemoryError(),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
}
FIT = [part for part in QUICK if part != "filters=null"]
FIT = [*FIT[: FIT.index("--device") - 1], *FIT[FIT.index("--device") :], "--param", "check_every=2"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("stage", STAGES)
def test_memory_that_ends_is_named_and_what_was_saved_is_kept(tmp_path, monkeypatch, stage, error):
    data, out = folder_of(tmp_path / "data", counts=(30, 8)), tmp_path / "out"
    before = hashes(data)
    calls = []

    def ends(*args, **options):
        calls.append(1)
        raise ERRORS[error]

    try:
        monkeypatch.setattr(STAGES[stage], ends)
    except AttributeError:
        pytest.fail(f"{STAGES[stage]} is not there any more: name where {stage} happens now")
    done = in_this_process("augment", data, out, "--steps", 4, *FIT)
    assert calls
    assert done.exit_code == 1, done.stderr
    assert "not enough memory" in done.stderr
    assert "Traceback" not in done.stderr
    assert hashes(data) == before
    assert not out.exists() or stage == "the report"
    assert [path for path in tmp_path.rglob("*") if is_left(path) or "partial" in path.name] == []
    monkeypatch.undo()
    if not out.exists():
        resume = ["--resume"] if (tmp_path / "out.run").exists() else []
        again = in_this_process("augment", data, out, "--steps", 4, "--no-report", *resume, *FIT)
        assert again.exit_code == 0, again.stderr


@pytest.fixture
def saved(tmp_path):
    gan = GANAugmenter(n_steps=2, **SMALL).fit(tones(12))
    gan.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_no_numbers_are_refused_even_if_all_hashes_fit(saved, value):
    state = read_tree(saved / "generator.safetensors")
    name = next(name for name in state["generator"] if name.endswith("weight"))
    state["generator"][name].view(-1)[0] = value
    write_tree(saved / "generator.safetensors", state)
    with pytest.raises(RunError, match="one of the two was altered"):
        GANAugmenter.load(saved, device="cpu")
    about = read_json(saved / "model.json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganaug.estimators.model.GeneratorModel.hash", lambda model: about["model_hash"])
        with pytest.raises(RunError, match="not finite"):
            GANAugmenter.load(saved, device="cpu")


def test_a_checkpoint_of_other_contents_is_refused_by_name(tmp_path):
    images, run = tones(12), tmp_path / "run"
    GANAugmenter(n_steps=2, check_every=1, run_dir=run, **SMALL).fit(images)
    last = max((run / "checkpoints").glob("*.safetensors"))
    whole = read_tree(last)
    for name in whole:
        for other in (None, "x", {}, [1], torch.zeros(3)):
            write_tree(last, {**whole, name: other})
            try:
                GANAugmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)
            except RunError as error:
                assert str(run) in str(error)  # noqa: PT017  # either outcome is right
            for path in (run / "checkpoints").glob("*.safetensors"):
                if path > last:
                    path.unlink()
        write_tree(last, whole)
    write_json(run / "config.json", {})
    with pytest.raises(RunError, match=r"config\.json"):
        GANAugmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)
