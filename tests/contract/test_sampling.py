"""What a user may rely on when drawing, saving, loading and filling up."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from torch.utils.data import TensorDataset

from ganaug import GANAugmenter, LabeledImages
from ganaug.errors import DataError, RunError
from ganaug.models.networks import NETWORKS, Network
from tests.sets import SMALL, augmenter, clothes, noise, tones


@pytest.fixture(scope="module")
def gan():
    return augmenter(n_steps=4, **SMALL).fit(noise((9, 5, 3), shape=(3, 12, 10)))


def test_the_same_seed_gives_the_same_images_whatever_else_is_drawn(gan):
    whole = gan.sample({"a": 150, "b": 70}, start=0)
    for batch_size in (1, 7, 64):
        assert torch.equal(gan.sample({"a": 150, "b": 70}, start=0, batch_size=batch_size).images, whole.images)
    assert torch.equal(gan.sample({"b": 70}, start=0).images, whole.images[150:])
    assert torch.equal(gan.sample({"a": 1}, start=0).images, whole.images[:1])
    assert torch.equal(gan.sample({"a": 50}, start=100).images, whole.images[100:150])
    assert torch.equal(gan.sample({"a": 150, "b": 70}, random_state=0).images, whole.images)
    assert not torch.equal(gan.sample({"a": 150, "b": 70}, random_state=1).images, whole.images)


@pytest.mark.parametrize(("of", "block_size"), [(1, 64), (3, 64), (7, 128), (200, None)])
def test_blocks_of_all_shards_are_the_whole(gan, of, block_size):
    counts = {"a": 150, "b": 3, "c": 70}
    whole = gan.sample(counts, start=5)
    blocks = [
        block
        for number in range(of)
        for block in gan.sample_blocks(counts, shard=(number, of), block_size=block_size, start=5)
    ]
    assert all(0 < len(block) <= (block_size or 4096) for block in blocks)
    rows = pd.concat([block.metadata for block in blocks])
    order = np.lexsort((np.arange(len(rows)), rows["class_index"]))  # shard after shard holds some of each class
    assert torch.equal(torch.cat([block.images for block in blocks])[order], whole.images)
    pd.testing.assert_frame_equal(rows.iloc[order].reset_index(drop=True), whole.metadata)


def test_what_cannot_be_drawn_is_refused_before_any_block(gan):
    with pytest.raises(ValueError, match="numbered from 0"):
        gan.sample_blocks({"a": 3}, shard=(2, 2))
    with pytest.raises(ValueError, match="drak"):
        gan.sample_blocks({"drak": 3})


def test_the_threads_do_not_matter(gan):
    usual, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(gan.sample(30, start=0).images)
    finally:
        torch.set_num_threads(usual)
    assert torch.equal(*found)


def test_eight_threads_draw_what_one_draws_after_another(untouched_global_randomness):
    """One fitted augmenter, filters and all, is shared without a lock."""
    own = augmenter(n_steps=30, **{**SMALL, "filters": ("copies", "label")}).fit(tones(40))
    names = [name for label, name in enumerate(own.model_.classes) if label not in own.model_.unlearned]
    assert names

    def drawn(seed):
        if seed % 2:
            return torch.cat([block.images for block in own.sample_blocks({names[0]: 150}, random_state=seed)])
        return own.sample(dict.fromkeys(names, 70), random_state=seed).images

    one_after_another = [drawn(seed) for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(drawn, range(16)))
    assert all(map(torch.equal, together, one_after_another))


def test_any_image_can_be_drawn_again_from_its_row(gan):
    synthetic = gan.sample({"a": 5, "c": 4})
    row = synthetic.metadata.iloc[7]
    assert row[["label", "is_synthetic", "model_hash"]].tolist() == ["c", True, gan.model_.hash()]
    again = gan.model_.draw(torch.tensor([row["class_index"]]), torch.tensor([row["seed"]]))
    assert torch.equal(again[0], synthetic.images[7])
    assert synthetic.metadata["seed"].is_unique


def test_counts_are_exact_in_every_form(gan):
    assert gan.sample(7).counts == {"a": 3, "b": 2, "c": 2}
    assert gan.sample({"c": 1000}).counts == {"a": 0, "b": 0, "c": 1000}
    assert len(gan.sample(0)) == 0
    with pytest.raises(ValueError, match="Unknown class 'd'"):
        gan.sample({"d": 1})
    with pytest.raises(NotFittedError):
        GANAugmenter().sample(1)


@pytest.mark.parametrize("seed", [True, 1.5, np.random.RandomState(0)])
def test_a_seed_of_a_sample_is_a_whole_number(gan, seed):
    with pytest.raises(TypeError, match="whole number"):
        gan.sample(1, random_state=seed)


def test_loading_leaves_the_global_random_state_alone(gan, tmp_path, untouched_global_randomness):
    gan.save(tmp_path)
    GANAugmenter.load(tmp_path).sample(3)


def test_a_loaded_augmenter_can_be_fitted_again(tmp_path):
    own = Network(NETWORKS["mlp"].generator, NETWORKS["mlp"].discriminator)
    augmenter(own, n_steps=2, run_dir=tmp_path / "run", **SMALL).fit(noise((5, 5)))
    again = GANAugmenter.load(tmp_path / "run", "cpu", network=own)
    assert again.network is own
    assert again.fit(noise((4, 6))).data_["counts"] == {"a": 4, "b": 6}


def test_a_refit_that_fails_leaves_the_fitted_state(tmp_path):
    gan = augmenter(n_steps=2, **SMALL).fit(noise((5, 5, 4)))
    before = gan.model_.hash()
    with pytest.raises(ValueError, match="more than 1 class"):
        gan.fit(noise((5,)))
    assert gan.model_.hash() == before
    assert gan.classes_.tolist() == ["a", "b", "c"]
    assert gan.data_["counts"] == {"a": 5, "b": 5, "c": 4}


def test_labels_of_a_data_set_come_back_as_they_were():
    real = noise((9, 4))
    images = TensorDataset(real.images, real.labels + 1)
    gan = augmenter(n_steps=2, sampling_strategy={2: 7}, **SMALL)
    _, labels = gan.fit_resample(images)
    assert labels.tolist() == [1] * 9 + [2] * 4 + [2] * 3
    assert gan.sample({2: 3}).counts == {"1": 0, "2": 3}


def test_a_default_sized_model_is_the_same_after_saving_and_loading(tmp_path):
    settings = {"n_steps": 3, "batch_size": 16, "device": "cpu", "random_state": 0, "filters": None}
    gan = augmenter(**settings).fit(noise((9, 5), shape=(1, 28, 28)))
    gan.save(tmp_path)
    assert torch.equal(GANAugmenter.load(tmp_path, "cpu").sample(100).images, gan.sample(100).images)


def test_it_is_the_same_after_saving_and_loading(gan, tmp_path):
    gan.save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["model.json", "model.safetensors"]
    loaded = GANAugmenter.load(tmp_path / "model", device="cpu")
    assert torch.equal(loaded.sample(20).images, gan.sample(20, start=0).images)
    params, stored = ({**each.get_params(), "recipe": None} for each in (gan, loaded))
    assert stored == params | {"device": "cpu"}


def test_a_damaged_altered_or_newer_model_is_refused(gan, tmp_path):
    gan.save(tmp_path)
    weights, about = tmp_path / "model.safetensors", tmp_path / "model.json"
    good, described = weights.read_bytes(), about.read_text()
    weights.write_bytes(good[:-4] + b"\x00\x00\x80\x3f")
    with pytest.raises(RunError, match="altered"):
        GANAugmenter.load(tmp_path)
    weights.write_bytes(good[:100])
    with pytest.raises(RunError, match="damaged"):
        GANAugmenter.load(tmp_path)
    weights.write_bytes(good)
    about.write_text(json.dumps({**json.loads(described), "format": 99}))
    with pytest.raises(RunError, match="model format 99"):
        GANAugmenter.load(tmp_path)
    about.write_text(json.dumps({**json.loads(described), "shape": [1, 8]}))
    with pytest.raises(RunError, match="do not fit"):
        GANAugmenter.load(tmp_path)
    with pytest.raises(RunError, match="not found"):
        GANAugmenter.load(tmp_path / "nowhere")


def test_images_on_every_device_are_the_fits_own_classes(gan):
    assert gan.classes_.tolist() == ["a", "b", "c"]
    assert gan.sampling_strategy_ == {"b": 4, "c": 6}


@pytest.mark.parametrize("container", ["array", "images", "frame", "tensor"])
def test_filling_up_keeps_container_dtype_and_originals(container):
    real = noise((9, 4), shape=(1, 8, 8))
    rows = real.images.numpy().reshape(13, 64)
    X, y, shape = {
        "array": (rows, real.labels.numpy(), (8, 8)),
        "images": (real, None, None),
        "frame": (
            pd.DataFrame(rows, columns=[f"p{i}" for i in range(64)]),
            pd.Series(["u", "v"]).take(real.labels),
            (8, 8),
        ),
        "tensor": (real.images, real.labels, None),
    }[container]
    new_X, new_y = augmenter(n_steps=2, image_shape=shape, **SMALL).fit_resample(X, y)
    assert type(new_X) is type(X)
    assert len(new_X) == len(new_y) == 18
    if container == "images":
        assert isinstance(new_X, LabeledImages)
        assert torch.equal(new_X.images[:13], real.images)
        assert new_X.counts == {"a": 9, "b": 9}
        return
    assert type(new_y) is type(y)
    assert new_y.dtype == y.dtype
    if container == "frame":
        assert (new_X.dtypes == X.dtypes).all()
        assert (new_X.iloc[:13].to_numpy() == X.to_numpy()).all()
    else:
        assert new_X.dtype == X.dtype
        assert bool((new_X[:13] == X).all())
    assert sorted(np.unique(np.asarray(new_y), return_counts=True)[1].tolist()) == [9, 9]


def test_it_is_a_step_of_a_pipeline_under_cross_validation():
    X, y = load_digits(n_class=3, return_X_y=True)
    keep = np.flatnonzero(y < 2)[:80].tolist() + np.flatnonzero(y == 2)[:9].tolist()
    gan = augmenter(n_steps=3, image_shape=(8, 8), **SMALL)
    model = make_pipeline(gan, LogisticRegression(max_iter=200))
    scores = cross_val_score(model, X[keep], y[keep], cv=3, error_score="raise")
    assert scores.min() > 0.5


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (noise((9,)), "more than 1 class"),
        (noise((9, 1)), "class 'b' has one image only"),
        (noise((3, 3), shape=(1, 8, 300)), "up to 256x256"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_training(images, words):
    with pytest.raises(ValueError, match=words):
        augmenter(n_steps=10**9, **SMALL).fit(images)


def test_wrong_parameters_are_refused_before_training():
    for wrong, words in (
        ({"loss": "hing"}, "Did you mean 'hinge'"),
        ({"network": "dcgann"}, "Known: dcgan, dcgan-halved, dcgan-smooth, mlp, resnet"),
        ({"augmentation": "translate"}, "Unknown augmentation"),
        ({"device": "gpu"}, "Unknown device"),
        ({"batch_size": 1}, "batch_size"),
        ({"network": 3}, "network must be one of"),
        ({"loss": None}, "loss must be one of"),
        ({"betas": 5}, "betas must be two numbers"),
        ({"betas": (0.5, 1.0)}, "betas must be two numbers"),
        ({"augmentation": 3}, "augmentation must be"),
        ({"device": "cpu:x"}, "device 'cpu:x'"),
        ({"sampling_power": 2}, "sampling_power"),
        ({"discriminator_norm": "layer"}, "discriminator_norm"),
    ):
        with pytest.raises(ValueError, match=words):
            augmenter(**{**SMALL, "n_steps": 10**9, **wrong}).fit(tones(4))


def test_small_rows_are_vectors_unless_cut_into_images():
    X = np.random.default_rng(0).normal(size=(40, 5))
    y = np.array([0] * 30 + [1] * 10)
    new_X, _ = augmenter(n_steps=3, **SMALL).fit_resample(X, y)
    assert new_X.shape == (60, 5)
    with pytest.raises(DataError, match="too small for network 'dcgan'"):
        augmenter("dcgan", n_steps=3, **SMALL).fit(X, y)


def test_a_run_folder_holds_what_a_person_looks_at(tmp_path):
    gan = augmenter(n_steps=8, check_every=4, run_dir=tmp_path / "run", **SMALL).fit(clothes())
    run = tmp_path / "run"
    table = pd.read_csv(run / "history.csv")
    assert table["step"].tolist() == [4, 8]
    assert {"images", "loss_discriminator", "accuracy_real", "gradient_generator", "score", "diversity"} <= set(table)
    assert [path.name for path in sorted((run / "previews").iterdir())] == ["00000004.png", "00000008.png"]
    assert (run / "losses.png").stat().st_size > 5000
    assert torch.equal(GANAugmenter.load(run).sample(5).images, gan.sample(5).images)
    kinds = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert kinds == {".json", ".csv", ".png", ".safetensors", ""}  # the last is the lock
    assert json.loads((run / "summary.json").read_text())["stop_reason"] == "finished"
