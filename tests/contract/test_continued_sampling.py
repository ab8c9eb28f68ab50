"""A call of `sample` continues where the call before it ended."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ganaug import ClassTranslator, GANAugmenter
from ganaug.errors import ClassNotLearnedError
from tests.sets import SMALL, augmenter, cyclegan, noise


def fitted(**params):
    return augmenter(n_steps=2, **{**SMALL, **params}).fit(noise((9, 5)))


@pytest.fixture
def gan():
    return fitted()


def draw_all(estimator, count=60):
    return estimator.sample({"b": count}, start=0).images


def test_two_calls_return_different_images_of_one_sequence(gan):
    first, second = gan.sample({"a": 10, "b": 3}), gan.sample({"a": 5, "b": 9})
    whole = gan.sample({"a": 15, "b": 12}, start=0)
    assert torch.equal(torch.cat([first.of_class("a"), second.of_class("a")]), whole.of_class("a"))
    assert torch.equal(torch.cat([first.of_class("b"), second.of_class("b")]), whole.of_class("b"))
    assert torch.equal(gan.sample({"b": 1}).images, gan.sample({"b": 1}, start=12).images)


def test_calls_with_start_or_seed_repeat_and_do_not_count(gan):
    whole = draw_all(gan)
    gan.sample({"b": 10})
    assert torch.equal(gan.sample({"b": 7}, start=np.int64(20)).images, whole[20:27])
    assert torch.equal(gan.sample({"b": 7}, start=0).images, whole[:7])
    repeated = [gan.sample({"b": 7}, random_state=5).images for _ in range(2)]
    assert torch.equal(*repeated)
    assert torch.equal(gan.sample({"b": 7}).images, whole[10:17])


def test_blocks_continue_and_shards_do_not(gan):
    whole = draw_all(gan)
    gan.sample({"b": 10})
    blocks = [gan.sample_blocks({"b": 10}, block_size=4) for _ in range(2)]
    images = torch.cat([block.images for each in reversed(blocks) for block in each])
    assert torch.equal(images, torch.cat([whole[20:30], whole[10:20]]))
    parts = [block.images for number in range(3) for block in gan.sample_blocks({"b": 10}, shard=(number, 3))]
    assert torch.equal(torch.cat(parts), whole[:10])
    assert torch.equal(gan.sample({"b": 3}).images, whole[30:33])


def test_a_fit_and_a_loaded_model_begin_again(tmp_path):
    gan = fitted(run_dir=tmp_path / "run")
    whole = draw_all(gan)
    gan.sample({"b": 10})
    gan.save(tmp_path / "model")
    assert torch.equal(GANAugmenter.load(tmp_path / "model", "cpu").sample({"b": 4}).images, whole[:4])
    gan.resume(noise((9, 5)))
    assert torch.equal(gan.sample({"b": 4}).images, whole[:4])
    gan.set_params(run_dir=None).fit(noise((9, 5)))
    assert torch.equal(gan.sample({"b": 4}).images, whole[:4])


def test_images_of_fit_resample_are_not_returned_again():
    gan = augmenter(n_steps=2, **SMALL)
    filled = gan.fit_resample(noise((9, 5)))[0]
    whole = draw_all(gan)
    assert torch.equal(filled.images[14:], whole[:4])
    assert torch.equal(gan.sample({"b": 3}).images, whole[4:7])


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda gan: pickle.loads(pickle.dumps(gan))])
def test_a_copy_continues_by_itself(gan, duplicate):
    whole = draw_all(gan)
    gan.sample({"b": 10})
    other = duplicate(gan)
    for each in (gan, other, gan):
        each.sample({"b": 5})
    assert torch.equal(gan.sample({"b": 2}).images, whole[20:22])
    assert torch.equal(other.sample({"b": 2}).images, whole[15:17])


def test_two_threads_never_get_the_same_image(gan):
    with ThreadPoolExecutor(8) as pool:
        seeds = [seed for block in pool.map(gan.sample, [{"b": 3}] * 40) for seed in block.metadata["seed"]]
    assert sorted(seeds) == gan.sample({"b": 120}, start=0).metadata["seed"].sort_values().tolist()


def test_a_refused_call_leaves_no_gap(gan):
    whole = draw_all(gan)
    for arguments in ({"counts": {"zebra": 1}}, {"counts": 4, "latent_std": -1}, {"counts": 4, "start": -1}):
        with pytest.raises(ValueError, match=r"zebra|latent_std|start"):
            gan.sample(**arguments)
    for start in (True, 1.5, "0"):
        with pytest.raises(TypeError, match="start must be a whole number or None"):
            gan.sample(4, start=start)
    assert torch.equal(gan.sample({"b": 4}).images, whole[:4])


def test_a_class_translator_continues_too():
    images = noise((20, 6), shape=(1, 8, 8))
    translator = ClassTranslator(cyclegan(n_steps=2, width=2), filters=None, device="cpu", random_state=0).fit(images)
    whole = translator.sample({"b": 9}, start=0).images
    assert torch.equal(torch.cat([translator.sample({"b": 4}).images, translator.sample(5).images]), whole)
    with pytest.raises(ClassNotLearnedError):
        translator.sample({"a": 1, "b": 1})
    assert torch.equal(translator.sample({"b": 2}).images, translator.sample({"b": 2}, start=9).images)
