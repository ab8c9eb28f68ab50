"""Results do not depend on what a user has set in torch, and the user's settings stay."""

import threading
from contextlib import contextmanager
from dataclasses import replace

import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from ganaug import (
    AugmentedClassifier,
    ClassTranslator,
    GANAugmenter,
    LabeledImages,
    MixedDataset,
    augment_folder,
    bias_report,
    build_store,
    diversity_report,
    read_folder,
    to_labeled_images,
    utility_report,
    write_folder,
)
from ganaug._runtime.library_defaults import float32_modules, library_defaults
from ganaug.datasets.embedded import fashion_mnist_lt
from ganaug.evaluation import CNN
from ganaug.images import concatenate
from ganaug.io.folder import read_files
from ganaug.io.store import verify_store
from ganaug.io.translation_folders import read_domain
from tests.sets import SMALL, augmenter, cyclegan, noise, pix2pix, tones

REAL, SYNTHETIC, TEST = (
    replace(images, metadata=pd.DataFrame({"attr_light": ["day", "night"] * (len(images) // 2)}))
    for images in (tones(24), tones(12, seed=1), tones(12, seed=2))
)
PHOTOS = noise((4,), shape=(3, 16, 16)), noise((4,), shape=(3, 16, 16), seed=1)
RARE, FOLDER = noise((12, 9)), noise((24, 21))
VECTORS = noise((12, 9), shape=(1, 1, 10))
pytestmark = pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning", "ignore::UserWarning")


@contextmanager
def default(get, set_to, value):
    before = get()
    set_to(value)
    try:
        yield
    finally:
        set_to(before)


STATES = {
    "float64": lambda: default(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "meta": lambda: default(torch.get_default_device, torch.set_default_device, torch.device("meta")),
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "deterministic": lambda: default(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
}


def augment(folder):
    settings = {**SMALL, "filters": "copies,label", "check_every": 2, "precision": "fp32", "random_state": 3}
    settings |= {"augmentation": "translation,cutout,color,flip", "adaptive_augmentation": True, "penalty": "lecam"}
    augmenter(n_steps=2, run_dir=folder / "run", **settings).fit(REAL)
    gan = augmenter(n_steps=4, run_dir=folder / "run", **settings).resume(REAL)
    gan.save(folder / "model")
    loaded = GANAugmenter.load(folder / "model", "cpu")
    filled = augmenter(n_steps=2, **SMALL).fit_resample(REAL.images[:60, 0], REAL.labels[:60])
    return [
        gan.sample(9, filtered=False).images,
        torch.cat([block.images for block in loaded.sample_blocks(9, block_size=4, filtered=False)]),
        augmenter(n_steps=2, **SMALL).fit(VECTORS).sample(4).images,
        *filled,
        gan.filter_report_.to_csv(),
        gan.model_.hash(),
    ]


def translate(folder):  # as the others
    settings = {"n_steps": 2, "width": 2, "device": "cpu", "random_state": 0}
    translator = ClassTranslator(cyclegan(**settings), min_source_ratio=1, device="cpu", random_state=0)
    fitted = pix2pix(**settings).fit(*PHOTOS), cyclegan(**settings).fit(*PHOTOS)
    return [
        *(each.transform(PHOTOS[0]).tobytes() for each in fitted),
        *(each.model_.hash() for each in fitted),
        translator.fit(RARE).sample({"b": 3}, filtered=False).images,
        translator.model_.hash(),
    ]


def report(folder):  # as the others
    gan, cnn = augmenter(n_steps=2, **SMALL), CNN(steps=3, width=4)
    reports = [
        diversity_report(REAL, SYNTHETIC, unseen=TEST, pictures=False),
        bias_report(REAL, SYNTHETIC, test=TEST, classifier=cnn, n_seeds=1),
        utility_report(REAL, gan, n_seeds=1, n_folds=2, resamples=20, classifier=cnn, shares=(0.5,)),
    ]
    return [each.to_json() for each in reports]


def read(folder):
    photos = write_folder(FOLDER, folder / "photos")
    store = build_store(photos, folder / "store")
    mixed = MixedDataset(REAL, SYNTHETIC.take([5, 0, 3]), share=0.2, fade_epochs=2)
    mixed.set_epoch(1)
    mix = {"sampling_strategy": "full", "synthetic_share": 0.5, "report": False}
    filled = augment_folder(photos, folder / "out", method=augmenter(n_steps=1, **SMALL), **mix)
    converted = to_labeled_images(list(REAL.images.numpy()[:, 0]), REAL.labels.numpy())
    classifier = AugmentedClassifier(
        LogisticRegression(), augmenter(n_steps=1, image_shape=(8, 8), **SMALL), share=0.5, n_samples=5, random_state=0
    )
    X = FOLDER.images.flatten(1).numpy()
    return [
        read_folder(photos).images,
        read_folder(store).images[:3],
        verify_store(store).fingerprint(),
        read_files([photos / "a/image-000001.png"]),
        read_domain(photos / "a").images,
        converted.fingerprint(),
        fashion_mnist_lt().fingerprint(),
        torch.stack([image for image, _ in mixed]),
        mixed.sample_weights(),
        filled.counts.to_csv(),
        str(augmenter(**SMALL).plan(REAL)),
        classifier.fit(X, FOLDER.labels.numpy()).predict_proba(X).tobytes(),
        concatenate(REAL, TEST).fingerprint(),
    ]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return {use: use(tmp_path_factory.mktemp("expected")) for use in (augment, translate, report, read)}


# reports take long, and the other states change what the other uses cover
CASES = [
    pytest.param(state, use, marks=[pytest.mark.slow] if use is report and state not in ("float64", "meta") else [])
    for state in STATES
    for use in (augment, translate, report, read)
]


@pytest.mark.parametrize(("state", "use"), CASES)
def test_results_are_the_same(tmp_path, expected, state, use):
    with STATES[state]():
        before = torch.ones(1).device, torch.ones(1).dtype, torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        results = use(tmp_path)
        after = torch.ones(1).device, torch.ones(1).dtype, torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    assert before == after
    for result, reference in zip(results, expected[use], strict=True):
        assert torch.equal(result, reference) if isinstance(reference, torch.Tensor) else result == reference


def test_images_on_the_default_device_are_brought_to_the_cpu():
    class OnDevice(torch.Tensor):
        """A tensor that says it is elsewhere, as on a machine with a GPU."""

        def cpu(self):
            return self.as_subclass(torch.Tensor)

    images = LabeledImages(REAL.images.as_subclass(OnDevice), REAL.labels.as_subclass(OnDevice), REAL.classes)
    assert type(images.images) is type(images.labels) is torch.Tensor


def test_other_threads_keep_their_device():
    devices, inside, done = [], threading.Event(), threading.Event()

    def other_thread():
        with torch.device("meta"):
            inside.wait()
            devices.append(torch.ones(1).device.type)
        done.set()

    thread = threading.Thread(target=other_thread)
    thread.start()
    with torch.device("meta"), library_defaults():
        inside.set()
        done.wait()
        devices.append(torch.ones(1).device.type)
    thread.join()
    assert devices == ["meta", "cpu"]


def test_a_failure_restores_the_settings():
    with STATES["float64"]():
        with pytest.raises(ValueError, match="stop"), float32_modules():
            raise ValueError("stop")
        assert torch.get_default_dtype() == torch.float64
    with torch.inference_mode(), pytest.raises(ValueError, match="stop"), library_defaults():
        raise ValueError("stop")
    assert not torch.is_inference_mode_enabled()
