"""Memory errors at each stage, and values that are not finite: a named error, no partial file, no hang."""

import dataclasses
import os
import signal

import pytest
import torch
from torch.utils.data import DataLoader, get_worker_info

from ganaug import GANAugmenter, MixedDataset
from ganaug._runtime.storage import digest, is_temporary_file, read_json, read_tree, write_json, write_tree
from ganaug.errors import RunError, TrainingError
from ganaug.models.losses import LOSSES
from ganaug.training.loop import StopTraining
from tests.end_to_end.test_cli import QUICK, folder_of, in_this_process
from tests.planted.test_training_faults import small_augmenter, symptoms
from tests.sets import MIX, SMALL, augmenter, clothes, hashes, pix2pix, tones
from tests.unit.estimators.test_translators import CUT, colored, masks

STAGES = {
    "reading": "ganaug.augmentation.job.read_and_inspect",
    "copying the images": "ganaug.estimators.augmenter.make_plan",
    "training the auxiliary classifier": "ganaug.estimators.fitting.train_auxiliary_classifier",
    "a step": "ganaug.training.steps.AdversarialStep._update_generator",
    "judging": "ganaug.training.auxiliary_classifier.AuxiliaryClassifier.logits",
    "the preview": "ganaug.estimators.evaluators.draw_preview",
    "sampling": "ganaug.sampling.generator_model.GeneratorModel.draw",
    "encoding": "ganaug.io.image_files.png",
    "the report": "ganaug.augmentation.job.diversity_report",
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
def test_a_memory_error_is_named_and_saved_files_are_kept(tmp_path, monkeypatch, stage, error):
    data, out = folder_of(tmp_path / "data", counts=(30, 8)), tmp_path / "out"
    before = hashes(data)
    calls = []

    def fail(*args, **options):
        calls.append(1)
        raise ERRORS[error]

    try:
        monkeypatch.setattr(STAGES[stage], fail)
    except AttributeError:
        pytest.fail(f"{STAGES[stage]} does not exist: change STAGES to where {stage} happens")
    result = in_this_process(*MIX, data, out, "--steps", 4, *FIT)
    assert calls
    assert result.exit_code == 1, result.stderr
    assert "not enough memory" in result.stderr
    assert "Traceback" not in result.stderr
    assert hashes(data) == before
    assert not out.exists() or stage == "the report"
    assert [path for path in tmp_path.rglob("*") if is_temporary_file(path) or "partial" in path.name] == []
    monkeypatch.undo()
    if not out.exists():
        resume = ["--resume"] if (tmp_path / "out.run").exists() else []
        again = in_this_process(*MIX, data, out, "--steps", 4, "--no-report", *resume, *FIT)
        assert again.exit_code == 0, again.stderr


@pytest.fixture
def saved(tmp_path):
    gan = augmenter(n_steps=2, **SMALL).fit(tones(12))
    gan.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_refused_even_if_all_hashes_match(saved, value):
    state = read_tree(saved / "model.safetensors")
    name = next(name for name in state["generator"] if name.endswith("weight"))
    state["generator"][name].view(-1)[0] = value
    write_tree(saved / "model.safetensors", state)
    with pytest.raises(RunError, match="one of the two was altered"):
        GANAugmenter.load(saved, device="cpu")
    about = read_json(saved / "model.json")
    write_json(saved / "model.json", {**about, "tensors_hash": digest(state)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganaug.sampling.generator_model.GeneratorModel.hash", lambda model: about["model_hash"])
        with pytest.raises(RunError, match="not finite"):
            GANAugmenter.load(saved, device="cpu")


def test_a_checkpoint_with_other_contents_is_refused_by_name(tmp_path):
    images, run = tones(12), tmp_path / "run"
    augmenter(n_steps=2, check_every=1, run_dir=run, **SMALL).fit(images)
    last = max((run / "checkpoints").glob("*.safetensors"))
    state = read_tree(last)
    for name in state:
        for value in (None, "x", {}, [1], torch.zeros(3)):
            write_tree(last, {**state, name: value})
            try:
                augmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)
            except RunError as error:
                assert str(run) in str(error)  # noqa: PT017  # both outcomes are right
            for path in (run / "checkpoints").glob("*.safetensors"):
                if path > last:
                    path.unlink()
        write_tree(last, state)
    write_json(run / "config.json", {})
    with pytest.raises(RunError, match=r"config\.json"):
        augmenter(n_steps=3, check_every=1, run_dir=run, **SMALL).resume(images)


def with_bad_gradients(loss, network, factor, calls):
    """A loss with the same values, but with gradients that are multiplied by `factor` in some of its calls."""
    original, values = getattr(LOSSES[loss], network), []

    def multiplied(*logits):
        value = original(*logits)
        values.append(value)
        if len(values) in calls:
            value.register_hook(lambda gradient: gradient * factor)
        return value

    return dataclasses.replace(LOSSES[loss], **{network: multiplied})


def all_finite(module):
    return all(bool(value.isfinite().all()) for value in module.state_dict().values())


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize("loss", ["hinge", "wgan-gp"])
def test_a_gradient_that_is_not_finite_is_rolled_back_although_the_loss_is_finite(loss, network, factor):
    """The discriminator's is in the step of a check; the generator of wgan-gp is updated in fewer steps."""
    calls = [14] if network == "discriminator" or loss == "hinge" else [3]
    gan = small_augmenter(with_bad_gradients(loss, network, factor, calls), steps=35, check_every=7).fit(clothes())
    assert symptoms(gan).count("nan") == 1
    assert gan.stop_reason_ == "finished"
    assert gan.n_steps_ == 35
    assert all_finite(gan.model_.generator)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_translator_rolls_back_from_a_gradient_that_is_not_finite(tmp_path, network):
    labels, settings = masks(24, (16, 16)), {**CUT, "n_steps": 24, "device": "cpu", "random_state": 0}
    translator = pix2pix(3, with_bad_gradients("non-saturating", network, float("nan"), [10]), **settings)
    translator.fit(labels, colored(labels))
    assert symptoms(translator).count("nan") == 1
    assert translator.stop_reason_ == "finished"
    assert all_finite(translator.model_.generator)
    always_bad = with_bad_gradients("non-saturating", network, float("nan"), range(10, 1000))
    translator = pix2pix(3, always_bad, run_dir=tmp_path / "run", **settings)
    with pytest.raises(TrainingError, match=r"not finite at step 24.*after 3 roll-backs"):
        translator.fit(labels, colored(labels))
    assert not hasattr(translator, "model_")
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["generator", "average", "discriminator"])
def test_a_checkpoint_that_is_not_finite_is_refused_and_the_previous_one_resumes(tmp_path, part, value):
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


def test_a_run_interrupted_between_a_fault_and_its_check_rolls_back_when_it_is_resumed(tmp_path):
    def interrupt(done, logs):
        if done == 17:
            raise StopTraining("interrupted")

    settings = {"steps": 40, "run_dir": tmp_path / "run"}
    bad_loss = with_bad_gradients("hinge", "generator", float("nan"), [15])
    gan = small_augmenter(bad_loss, **settings).fit(clothes(), callbacks=[interrupt])
    assert gan.n_steps_ == 17
    gan = small_augmenter(with_bad_gradients("hinge", "generator", float("nan"), []), **settings).resume(clothes())
    assert symptoms(gan).count("nan") == 1
    assert gan.stop_reason_ == "finished"
    assert all_finite(gan.model_.generator)


def kill_second_worker(image):
    if get_worker_info() is not None and get_worker_info().id == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return image


@pytest.mark.timeout(60)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_killed_worker_ends_the_epoch_with_an_error_and_the_data_set_stays_usable(persistent):
    mixed = MixedDataset(
        tones(12),
        tones(12, seed=1),
        share=0.5,
        refresh=lambda epoch: tones(12, seed=epoch),
        transform=kill_second_worker,
        item_type="tensor",
    )
    with pytest.raises(RuntimeError, match=r"worker .* exited unexpectedly"):
        list(DataLoader(mixed, batch_size=4, num_workers=2, persistent_workers=persistent))
    mixed.set_epoch(1)
    assert sum(len(labels) for _, labels in DataLoader(mixed, batch_size=4)) == 72
