"""Memory that ends at each stage, numbers that are none: a named error, nothing half-written, never a hang."""

import dataclasses
import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader, get_worker_info

from ganaug import GANAugmenter, MixedDataset
from ganaug._runtime.storage import is_left, read_json, read_tree, write_json, write_tree
from ganaug.errors import RunError, TrainingError
from ganaug.models.losses import LOSSES
from ganaug.training.loop import StopTraining
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.planted.test_training_faults import fitted, names
from tests.sets import SMALL, augmenter, clothes, hashes, pix2pix, tones
from tests.unit.estimators.test_translators import CUT, colored, masks

STAGES = {
    "reading": "ganaug.io.folder.read_and_inspect",
    "copying the set": "ganaug.estimators.augmenter.make_plan",
    "training the auxiliary classifier": "ganaug.estimators.base.train_auxiliary_classifier",
    "a step": "ganaug.training.steps.AdversarialStep.update_generator",
    "judging": "ganaug.training.auxiliary_classifier.Auxiliary classifier.logits",
    "the preview": "ganaug.estimators.progress.preview",
    "sampling": "ganaug.sampling.generator_model.GeneratorModel.draw",
    "encoding": "ganaug.io.writing.png",
    "the report": "ganaug.reports.diversity.diversity_report",
}
ERRORS = {
    "Python": MemoryError(),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
}
FIT = [part for part in QUICK if part != "filters=null"]
FIT = [*FIT[: FIT.index("--device") - 1], *FIT[FIT.index("--device") :], "--param", "recipe.check_every=2"]


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
    gan = augmenter(n_steps=2, **SMALL).fit(tones(12))
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
        patch.setattr("ganaug.sampling.generator_model.GeneratorModel.hash", lambda model: about["model_hash"])
        with pytest.raises(RunError, match="not finite"):
            GANAugmenter.load(saved, device="cpu")


def test_a_checkpoint_of_other_contents_is_refused_by_name(tmp_path):
    images, run = tones(12), tmp_path / "run"
    augmenter(n_steps=2, check_every=1, run_dir=run, **SMALL).fit(images)
    last = max((run / "checkpoints").glob("*.safetensors"))
    whole = read_tree(last)
    for name in whole:
        for other in (None, "x", {}, [1], torch.zeros(3)):
            write_tree(last, {**whole, name: other})
            try:
                augmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)
            except RunError as error:
                assert str(run) in str(error)  # noqa: PT017  # either outcome is right
            for path in (run / "checkpoints").glob("*.safetensors"):
                if path > last:
                    path.unlink()
        write_tree(last, whole)
    write_json(run / "config.json", {})
    with pytest.raises(RunError, match=r"config\.json"):
        augmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)


def spoilt(loss, side, by, calls):
    """The loss, of whose `calls` the gradients are multiplied; what it comes to stays as it is."""
    sound, made = getattr(LOSSES[loss], side), []

    def value(*logits):
        found = sound(*logits)
        made.append(found)
        if len(made) in calls:
            found.register_hook(lambda gradient: gradient * by)
        return found

    return dataclasses.replace(LOSSES[loss], **{side: value})


def all_finite(module):
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


@pytest.mark.parametrize("by", [float("nan"), float("inf")])
@pytest.mark.parametrize("side", ["generator", "discriminator"])
@pytest.mark.parametrize("loss", ["hinge", "wgan-gp"])
def test_a_gradient_that_is_no_number_under_a_sound_loss_is_rolled_back(loss, side, by):
    """That of the discriminator in the very step of a check, of which wgan-gp's generator gets to know later."""
    calls = [14] if side == "discriminator" or loss == "hinge" else [3]
    gan = fitted(spoilt(loss, side, by, calls), steps=35, check_every=7).fit(clothes())
    assert names(gan).count("nan") == 1
    assert gan.stop_reason_ == "finished"
    assert gan.n_steps_ == 35
    assert all_finite(gan.model_.generator)


@pytest.mark.parametrize("side", ["generator", "discriminator"])
def test_a_translator_rolls_back_from_a_gradient_that_is_no_number(tmp_path, side):
    labels, settings = masks(24, (16, 16)), {**CUT, "n_steps": 24, "device": "cpu", "random_state": 0}
    painter = pix2pix(3, spoilt("non-saturating", side, float("nan"), [10]), **settings)
    painter.fit(labels, colored(labels))
    assert names(painter).count("nan") == 1
    assert painter.stop_reason_ == "finished"
    assert all_finite(painter.model_.generator)
    endless = spoilt("non-saturating", side, float("nan"), range(10, 1000))
    painter = pix2pix(3, endless, run_dir=tmp_path / "run", **settings)
    with pytest.raises(TrainingError, match=r"not finite at step 24.*after 3 roll-backs"):
        painter.fit(labels, colored(labels))
    assert not hasattr(painter, "model_")
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["generator", "average", "discriminator"])
def test_a_checkpoint_that_is_not_finite_is_refused_and_the_one_before_goes_on(tmp_path, part, value):
    images, run = tones(12), tmp_path / "run"
    augmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).fit(images)
    last = max((run / "checkpoints").glob("*.safetensors"))
    state = read_tree(last)
    next(weight for weight in state["step"][part].values() if weight.ndim > 1).view(-1)[0] = value
    write_tree(last, state)
    with pytest.raises(RunError, match=r"step 3 .* holds numbers that are not finite.* Remove it"):
        augmenter(n_steps=5, check_every=1, run_dir=run, **SMALL).resume(images)
    last.unlink()
    gan = augmenter(n_steps=5, check_every=1, run_dir=run, **SMALL).resume(images)
    assert gan.n_steps_ == 5


def test_a_run_that_is_cut_after_a_fault_and_before_its_check_rolls_back_when_it_is_resumed(tmp_path):

    def cut(done, logs):
        if done == 17:
            raise StopTraining("interrupted")

    settings = {"steps": 40, "run_dir": tmp_path / "run"}
    gan = fitted(spoilt("hinge", "generator", float("nan"), [15]), **settings).fit(clothes(), callbacks=[cut])
    assert gan.n_steps_ == 17
    gan = fitted(spoilt("hinge", "generator", float("nan"), []), **settings).resume(clothes())
    assert names(gan).count("nan") == 1
    assert gan.stop_reason_ == "finished"
    assert all_finite(gan.model_.generator)


def killed_in_the_second_worker(image):
    if get_worker_info() is not None and get_worker_info().id == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return image


@pytest.mark.timeout(60)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_killed_worker_ends_the_epoch_with_an_error_and_the_set_stays_usable(persistent):
    mixed = MixedDataset(
        tones(12),
        tones(12, seed=1),
        share=0.5,
        refresh=lambda epoch: tones(12, seed=epoch),
        transform=killed_in_the_second_worker,
    )
    with pytest.raises(RuntimeError, match=r"worker .* exited unexpectedly"):
        list(DataLoader(mixed, batch_size=4, num_workers=2, persistent_workers=persistent))
    mixed.set_epoch(1)
    assert sum(len(labels) for _, labels in DataLoader(mixed, batch_size=4)) == 72
