"""A run that was cut and resumed ends in the same bits as the run that was not."""

import random

import pytest
import torch

from ganaug._runtime.locks import locked
from ganaug._runtime.storage import read_tree, trees_equal
from ganaug.errors import RunError
from ganaug.models.losses import LOSSES
from ganaug.models.networks import NETWORKS
from tests.sets import SMALL, augmenter, noise, tones

STEPS = 23
PAIRS = [("dcgan", loss) for loss in LOSSES] + [(network, "hinge") for network in NETWORKS if network != "dcgan"]


# everything that a step remembers or that depends on how far the run is
REMEMBERING = {
    "adaptive_augmentation": True,
    "augmentation": "translation,cutout,color,flip",
    "penalty": "lecam,lazy-r1,class-spectral",
    "conditioning_ramp": (30, 200),
    "class_noise": 0.75,
    "guidance": 0.2,
    "lr_decay_images": 300,
    "final_lr_ratio": 0.1,
    "filters": "copies,label",
}


def fitted(folder, network, loss, n_steps, resume=False, **more):
    settings = {**SMALL, "check_every": 5, "ema_half_life": 100, **more}
    gan = augmenter(network, loss, n_steps=n_steps, run_dir=folder, **settings)
    return gan.resume(tones(6, (1, 8, 8))) if resume else gan.fit(tones(6, (1, 8, 8)))


def state(folder):
    (last,) = sorted((folder / "checkpoints").glob("*.safetensors"))[-1:]
    tree = read_tree(last)
    del tree["seconds"], tree["rows"]
    return tree


@pytest.mark.parametrize(("network", "loss"), PAIRS)
def test_cut_twice_anywhere_and_resumed_is_bit_identical(tmp_path, network, loss):
    whole = fitted(tmp_path / "whole", network, loss, STEPS)
    for cut in (1, 7, 10) if loss == "hinge" else (7,):
        run = tmp_path / f"cut{cut}"
        fitted(run, network, loss, cut)
        fitted(run, network, loss, cut + 6, resume=True)
        again = fitted(run, network, loss, STEPS, resume=True)
        assert trees_equal(state(run), state(tmp_path / "whole"))
        assert again.model_.hash() == whole.model_.hash()
        rows = [gan.history_.drop(columns="seconds") for gan in (again, whole)]
        assert rows[0].equals(rows[1])


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("loss", ["hinge", "relativistic"])
def test_so_it_is_with_every_ingredient_on(tmp_path, loss):
    whole = fitted(tmp_path / "whole", "dcgan", loss, STEPS, **REMEMBERING)
    run = tmp_path / "cut"
    fitted(run, "dcgan", loss, 7, **REMEMBERING)
    again = fitted(run, "dcgan", loss, STEPS, resume=True, **REMEMBERING)
    assert trees_equal(state(run), state(tmp_path / "whole"))
    assert again.model_.hash() == whole.model_.hash()
    assert torch.equal(again.sample(9, filtered=False).images, whole.sample(9, filtered=False).images)


def sampled(seed=0):
    """Every loss with some network and every network with some loss, each with some of the ingredients."""
    draw = random.Random(seed)
    pairs = [(draw.choice(list(NETWORKS)), loss) for loss in LOSSES]
    pairs += [(network, draw.choice(list(LOSSES))) for network in NETWORKS]
    return [
        (network, loss, {name: value for name, value in REMEMBERING.items() if draw.random() < 0.5})
        for network, loss in pairs
    ]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("network", "loss", "more"), sampled(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_cut_at_twenty_places_it_is_bit_identical(tmp_path, network, loss, more):
    cuts = sorted(random.Random(f"{network} {loss}").sample(range(1, 60), 20))
    whole = fitted(tmp_path / "whole", network, loss, 60, **more)
    for number, steps in enumerate([*cuts, 60]):
        again = fitted(tmp_path / "run", network, loss, steps, resume=number > 0, **more)
    assert trees_equal(state(tmp_path / "run"), state(tmp_path / "whole"))
    assert again.model_.hash() == whole.model_.hash()


def test_a_run_without_a_better_score_stops_and_stays_stopped(tmp_path):
    impatient = {"patience": 1, "generator_lr": 1e-9, "discriminator_lr": 1e-9, "ema_half_life": 1e9}
    whole = fitted(tmp_path / "run", "dcgan", "hinge", 400, **impatient)
    assert whole.stop_reason_ == "no better score"
    assert whole.n_steps_ < 400
    again = fitted(tmp_path / "run", "dcgan", "hinge", 400, resume=True, **impatient)
    assert (again.stop_reason_, again.n_steps_) == (whole.stop_reason_, whole.n_steps_)
    assert again.model_.hash() == whole.model_.hash()


def test_a_run_at_another_precision_is_not_resumed(tmp_path):
    fitted(tmp_path / "run", "dcgan", "hinge", 5, precision="fp32")
    with pytest.raises(RunError, match="recipe__precision was 'fp32' and is now 'bf16'"):
        fitted(tmp_path / "run", "dcgan", "hinge", 9, resume=True, precision="bf16")


def test_the_global_random_state_has_no_part_in_it(tmp_path, untouched_global_randomness):
    one = fitted(tmp_path / "one", "dcgan", "hinge", 6)
    with torch.random.fork_rng():
        torch.manual_seed(99)
        two = fitted(tmp_path / "two", "dcgan", "hinge", 6)
    assert one.model_.hash() == two.model_.hash()


def test_resuming_without_folder_means_another_seed_is_another_run(tmp_path):
    one = augmenter(n_steps=3, **SMALL).fit(noise((8, 8)))
    two = augmenter(n_steps=3, **{**SMALL, "random_state": 1}).fit(noise((8, 8)))
    assert one.model_.hash() != two.model_.hash()


def test_another_data_set_or_parameter_is_not_resumed(tmp_path):
    fitted(tmp_path / "run", "dcgan", "hinge", 5)
    settings = {**SMALL, "check_every": 5, "ema_half_life": 100, "n_steps": 9, "run_dir": tmp_path / "run"}
    with pytest.raises(RunError, match="started with other data"):
        augmenter("dcgan", **settings).resume(tones(7, (1, 8, 8)))
    with pytest.raises(RunError, match="loss was 'hinge' and is now 'wgan'"):
        augmenter("dcgan", "wgan", **settings).resume(tones(6, (1, 8, 8)))
    with pytest.raises(RunError, match="random_state was 0 and is now 3"):
        augmenter("dcgan", **(settings | {"random_state": 3})).resume(tones(6, (1, 8, 8)))
    with pytest.raises(RunError, match="has done 5 steps already, more than the 3"):
        augmenter("dcgan", **(settings | {"n_steps": 3})).resume(tones(6, (1, 8, 8)))
    with pytest.raises(RunError, match="not empty"):
        fitted(tmp_path / "run", "dcgan", "hinge", 5)
    with pytest.raises(RunError, match="there is no run to resume"):
        fitted(tmp_path / "none", "dcgan", "hinge", 5, resume=True)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts(tmp_path):
    whole = fitted(tmp_path / "run", "dcgan", "hinge", 5)
    for file in (tmp_path / "run" / "checkpoints").iterdir():
        file.unlink()
    assert fitted(tmp_path / "run", "dcgan", "hinge", 5, resume=True).model_.hash() == whole.model_.hash()


def test_a_finished_run_resumes_to_itself(tmp_path):
    whole = fitted(tmp_path / "run", "dcgan", "hinge", 10)
    again = fitted(tmp_path / "run", "dcgan", "hinge", 10, resume=True)
    assert again.model_.hash() == whole.model_.hash()


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    fitted(tmp_path / "run", "dcgan", "hinge", 5)
    with locked(tmp_path / "run"), pytest.raises(RunError, match="another run"):
        fitted(tmp_path / "run", "dcgan", "hinge", 9, resume=True)


def test_a_config_that_is_not_ours_is_refused(tmp_path):
    fitted(tmp_path / "run", "dcgan", "hinge", 5)
    (tmp_path / "run" / "config.json").write_text('{"seed": 0}')
    with pytest.raises(RunError, match="was not written by ganaug"):
        fitted(tmp_path / "run", "dcgan", "hinge", 9, resume=True)
