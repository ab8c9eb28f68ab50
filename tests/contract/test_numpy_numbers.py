"""NumPy's numbers stand wherever a Python number does, and what is stored is the same."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import (
    AugmentedClassifier,
    ClassTranslator,
    CycleGAN,
    GANAugmenter,
    MixedDataset,
    Pix2Pix,
    TrainingRecipe,
    TranslationRecipe,
    augment_folder,
    bias_report,
    build_store,
    diversity_report,
    read_folder,
    utility_report,
    write_folder,
)
from ganaug.augmentation import forecast_augmentation
from ganaug.datasets.convert import convert
from ganaug.errors import DataError
from ganaug.integrations.masks import edited_masks
from ganaug.io.preflight import inspect_folder, parse_image_size
from ganaug.io.translation_folders import read_domain
from tests.sets import SMALL, augmenter, noise, tones

IMAGES = noise((9, 5), shape=(1, 12, 10))
pytestmark = pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")


def as_numpy(value):
    """Replace the numbers of nested parameters by NumPy's."""
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        return np.int64(value)
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, tuple):
        return tuple(map(as_numpy, value))
    return {name: as_numpy(each) for name, each in value.items()} if isinstance(value, dict) else value


def same(value):
    return value


def stored(folder):
    """The JSON files below a folder, without what depends on the clock and the folder."""
    text = {path.relative_to(folder): path.read_text() for path in sorted(Path(folder).rglob("*.json"))}

    def cleaned(value):
        if isinstance(value, dict):
            return {name: cleaned(each) for name, each in value.items() if name not in ("seconds", "run_dir")}
        return list(map(cleaned, value)) if isinstance(value, list) else value

    return {path: cleaned(json.loads(content)) for path, content in text.items()}


def fit_augmenter(kind, run):
    recipe = {
        "latent_size": 8, "width": 8, "generator_lr": 4e-4, "betas": (0.0, 0.9), "lr_decay_images": 1000,
        "final_lr_ratio": 1, "adaptive_augmentation": False, "sampling_power": 0, "ema_half_life": 100,
        "conditioning_ramp": (0, 100), "class_noise": 0, "guidance": 0, "check_every": 2, "latent_std": 1,
        "truncation": 2,
    }  # fmt: skip
    params = {
        "sampling_strategy": {"b": 12}, "image_size": (10, 8), "n_steps": 3, "batch_size": 8, "patience": 5,
        "validation_fraction": 0.1, "verbose": 0, "random_state": 3,
    }  # fmt: skip
    gan = GANAugmenter(
        **kind(params), recipe=TrainingRecipe(**kind(recipe)), device="cpu", filters=None, run_dir=run
    ).fit(IMAGES)
    gan.set_params(n_steps=kind(5)).resume(IMAGES)
    gan.save(run / "saved")
    loaded = GANAugmenter.load(run / "saved", "cpu")
    sample = {"batch_size": 5, "latent_std": 1.5, "truncation": 1.5}
    return [
        gan.sample(kind({"a": 5, "b": 3}), random_state=kind(4), start=kind(2), **kind(sample)).images,
        loaded.sample(kind(4)).images,
        *(block.images for block in gan.sample_blocks(kind(9), shard=kind((1, 2)), block_size=kind(3), start=kind(1))),
        gan.fit_resample(IMAGES)[0].images if run is None else torch.zeros(0),
    ]


def fit_class_translator(kind, run):
    recipe = {"width": 2, "pool_size": 2, "check_every": 2, "ema_half_life": 1000, "betas": (0.5, 0.999)}
    inner = CycleGAN(n_steps=kind(2), batch_size=kind(1), recipe=TranslationRecipe(**kind(recipe)))
    params = {"image_size": 8, "min_source_ratio": 1, "source_fraction": 1, "random_state": 3, "verbose": 0}
    params["sampling_strategy"] = {"b": 7}
    fitted = ClassTranslator(inner, **kind(params), device="cpu", filters=None, run_dir=run).fit(IMAGES)
    fitted.save(run / "saved")
    loaded = ClassTranslator.load(run / "saved", "cpu")
    return [fitted.sample(kind({"b": 3}), start=kind(2)).images, loaded.sample(kind(4)).images]


def fit_pix2pix(kind, run):
    masks = np.random.default_rng(0).integers(0, 3, (4, 16, 16), dtype=np.uint8)
    recipe = {"width": 2, "generator_lr": 1e-4, "check_every": 2}
    params = {"num_labels": 3, "n_steps": 2, "batch_size": 2, "random_state": 3, "validation_fraction": 0}
    fitted = Pix2Pix(**kind(params), recipe=TranslationRecipe(**kind(recipe)), device="cpu", run_dir=run)
    fitted.fit(masks, noise((4,), shape=(1, 16, 16)))
    fitted.save(run / "saved")
    fitted.write(masks, run / "out", draws=kind(2), random_state=kind(5))
    return [torch.as_tensor(Pix2Pix.load(run / "saved").transform(masks, random_state=kind(5), start=kind(1)))]


@pytest.mark.parametrize("fit", [fit_augmenter, fit_class_translator, fit_pix2pix])
def test_a_fit_is_the_same_and_stored_the_same(tmp_path, fit):
    plain, numpy = fit(same, tmp_path / "plain"), fit(as_numpy, tmp_path / "numpy")
    assert all(map(torch.equal, plain, numpy))
    assert stored(tmp_path / "plain") == stored(tmp_path / "numpy")


def fit_classifier(kind):
    X = np.concatenate([IMAGES.images.flatten(1).numpy()] * 4)
    y = np.concatenate([IMAGES.labels.numpy()] * 4)
    gan = augmenter(image_shape=kind((12, 10)), **{**SMALL, "n_steps": 2, "random_state": kind(0)})
    params = {"share": 0.25, "cv": 2, "n_samples": 4, "random_state": 0}
    return AugmentedClassifier(LogisticRegression(max_iter=20), gan, **kind(params)).fit(X, y).predict_proba(X).tolist()


def fill_folder(kind, tmp_path):
    photos = write_folder(noise((24, 22)), tmp_path / "photos")
    params = {"image_size": (8, 9), "n_steps": 2, "random_state": 1, "verbose": 0, "sampling_strategy": {"b": 26}}
    params["synthetic_share"] = 0.5
    result = augment_folder(photos, tmp_path / "filled", report=False, device="cpu", **kind(params))
    forecast = forecast_augmentation(photos, augmenter(n_steps=1, **SMALL), image_size=kind((8, 9)))
    return [
        result.counts.to_dict(),
        result.sampler.sample({"b": 2}, filtered=False).images.tolist(),
        forecast.counts.to_dict(),
    ]


def read(kind, tmp_path):
    photos = write_folder(noise((4, 3)), tmp_path / "photos")
    store = build_store(photos, tmp_path / "store", image_size=kind(9))
    return [
        read_folder(photos, image_size=kind(9)).images.tolist(),
        read_folder(store, image_size=kind((9, 9))).images[:].tolist(),
        inspect_folder(photos, image_size=kind((8, 9))).shape,
        read_domain(photos / "a", image_size=kind((8, 9))).images.tolist(),
        convert(np.zeros((4, 192)), [0, 1] * 2, image_shape=kind((8, 8, 3)), image_size=kind(9)).images.shape,
    ]


def mix(kind, tmp_path):  # as the others
    gan = augmenter(n_steps=1, **SMALL).fit(IMAGES)
    mixed = MixedDataset(IMAGES, gan.sample(6), share=kind(0.5), seed=kind(1), fade_epochs=kind(3))
    mixed.set_epoch(kind(2))
    masks = np.random.default_rng(0).integers(0, 3, (4, 16, 16), dtype=np.uint8)
    edited, rows = edited_masks(masks, kind(5), paste=kind((2,)), onto=kind((1,)), seed=kind(1))
    return [[int(label) for _, label in mixed], edited.tolist(), rows.tolist()]


def report(kind, tmp_path):
    images, synthetic, test = (
        replace(each, metadata=pd.DataFrame({"attr_light": ["day", "night"] * (len(each) // 2)}))
        for each in (tones(30), tones(12, seed=1), tones(10, seed=2))
    )
    reports = [
        diversity_report(images, synthetic, max_images_per_class=kind(10), random_state=kind(1), features="pixels"),
        bias_report(
            images, synthetic, n_seeds=kind(1), random_state=kind(1), test=test, classifier=LogisticRegression()
        ),
        utility_report(
            images,
            augmenter(n_steps=1, **SMALL),
            n_seeds=kind(1),
            n_folds=kind(2),
            resamples=kind(20),
            random_state=kind(1),
            classifier=LogisticRegression(),
        ),
    ]
    return [each.to_json(tmp_path / f"{number}.json").read_text() for number, each in enumerate(reports)]


@pytest.mark.parametrize("use", [fit_classifier, fill_folder, read, mix, report])
def test_results_are_the_same(tmp_path, use):
    folders = tmp_path / "plain", tmp_path / "numpy"
    for folder in folders:
        folder.mkdir()
    plain, numpy = (
        use(kind) if use is fit_classifier else use(kind, folder)
        for kind, folder in zip((same, as_numpy), folders, strict=True)
    )
    assert plain == numpy


@pytest.mark.parametrize("size", [np.int64(64), np.uint8(64), (np.int32(64), 64), [64, 64], np.array([64, 64])])
def test_an_image_size_becomes_two_python_integers(size):
    parsed = parse_image_size(size)
    assert parsed == (64, 64)
    assert [type(side) for side in parsed] == [int, int]


@pytest.mark.parametrize(
    "size",
    [64.0, "64", "64x64", (64, 64, 3), (64,), (64, 6.5), True, (True, 64), {64, 65}, np.array([[64, 64]]), b"64"],
)
def test_an_image_size_of_another_type_is_an_error(size):
    with pytest.raises(DataError, match=r"image_size must be a whole number or \(height, width\); got "):
        parse_image_size(size)
    with pytest.raises(DataError, match="image_size must be"):
        GANAugmenter(image_size=size).fit(IMAGES)


def test_an_image_size_out_of_range_is_an_error():
    with pytest.raises(DataError, match=r"within 8..256 in height and width; got 64x300"):
        parse_image_size((64, np.int64(300)))
