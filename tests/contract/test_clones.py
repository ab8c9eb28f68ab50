"""Clones share the `run_dir` of an estimator: each of their fits has a subfolder of its own."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from imblearn.pipeline import make_pipeline
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from ganaug import AugmentedClassifier, ClassTranslator, CycleGAN
from ganaug.errors import RunError
from ganaug.training.loop import StopTraining
from ganaug.training.run_folder import create_fit_folder
from tests.sets import SMALL, augmenter, cyclegan, noise

X = np.random.default_rng(0).integers(0, 256, (48, 64)).astype(float)
Y = np.array([0] * 30 + [1] * 18)
TINY = {**SMALL, "n_steps": 1, "image_shape": (8, 8)}
IMAGES = noise((9, 5))
pytestmark = pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")


def runs(folder):
    return sorted(path.name for path in folder.iterdir())


def stop(done, logs):
    raise StopTraining("interrupted")


def test_cross_validation_writes_a_run_for_each_fit(tmp_path):
    pipeline = make_pipeline(augmenter(run_dir=tmp_path / "runs", **TINY), LogisticRegression(max_iter=5, tol=1e9))
    for n_runs in (3, 6):
        scores = cross_val_score(pipeline, X, Y, cv=3, error_score="raise")
        assert np.isfinite(scores).all()
        assert len(runs(tmp_path / "runs")) == n_runs
    assert sum(name.endswith("-2") for name in runs(tmp_path / "runs")) == 3
    assert all((tmp_path / "runs" / name / "model" / "model.json").is_file() for name in runs(tmp_path / "runs"))


def test_a_search_in_parallel_writes_a_run_for_each_fit(tmp_path):
    pipeline = make_pipeline(augmenter(run_dir=tmp_path, **TINY), LogisticRegression(max_iter=5, tol=1e9))
    settings = {"ganaugmenter__recipe__generator_lr": [1e-4, 4e-4], "ganaugmenter__n_steps": [1, 2]}
    search = GridSearchCV(pipeline, settings, cv=2, n_jobs=2, error_score="raise").fit(X, Y)
    assert len(runs(tmp_path)) == 2 * 2 * 2 + 1
    best = search.best_estimator_[0]
    assert best.run_dir_.parent == tmp_path
    config = json.loads((best.run_dir_ / "config.json").read_text())
    assert config["params"]["recipe"]["generator_lr"] == best.recipe.generator_lr


def test_an_augmented_classifier_writes_a_run_for_each_fit(tmp_path):
    gan = augmenter(run_dir=tmp_path, **TINY)
    classifier = AugmentedClassifier(
        LogisticRegression(max_iter=5, tol=1e9), gan, share=0.5, n_samples=4, random_state=0
    )
    cross_val_score(classifier, X, Y, cv=2, error_score="raise")
    assert len(runs(tmp_path)) == 2
    classifier.set_params(share="auto", shares=(0.5,), cv=2).fit(X, Y)
    assert len(runs(tmp_path)) >= 4


def test_translators_write_a_run_for_each_fit(tmp_path):
    inner = cyclegan(n_steps=1, width=2)
    fitted = clone(
        ClassTranslator(inner, min_source_ratio=1, filters=None, run_dir=tmp_path / "classes", random_state=0)
    ).fit(IMAGES)
    assert fitted.run_dir_.parent == tmp_path / "classes"
    assert (fitted.run_dir_ / "b" / "model" / "model.json").is_file()
    photos = noise((4,), shape=(1, 16, 16))
    for _ in range(2):
        clone(CycleGAN(n_steps=1, recipe=inner.recipe, run_dir=tmp_path / "cycles")).fit(photos, photos)
    assert len(runs(tmp_path / "cycles")) == 2


def test_an_estimator_that_is_no_clone_writes_into_its_folder(tmp_path):
    gan = augmenter(run_dir=tmp_path / "run", **TINY)
    clone(gan).fit(IMAGES)
    assert gan.fit(IMAGES).run_dir_ == tmp_path / "run"
    assert (tmp_path / "run" / "model").is_dir()
    with pytest.raises(RunError, match="is not empty"):
        gan.fit(IMAGES)
    ordinary = clone(gan).set_params(run_dir=tmp_path / "other").fit(IMAGES)
    assert ordinary.run_dir_ == tmp_path / "other"
    assert augmenter(**TINY).fit(IMAGES).run_dir_ is None


@pytest.mark.parametrize("pickled", [False, True])
def test_a_clone_resumes_its_latest_run(tmp_path, pickled):
    whole = clone(augmenter(**{**TINY, "n_steps": 4})).fit(IMAGES)
    gan = augmenter(run_dir=tmp_path, **{**TINY, "n_steps": 4})
    first = clone(gan).fit(IMAGES)
    interrupted = clone(gan)
    if pickled:
        interrupted = pickle.loads(pickle.dumps(interrupted))
    interrupted.fit(IMAGES, callbacks=[stop])
    assert interrupted.run_dir_.name == f"{first.run_dir_.name}-2"
    resumed = clone(gan).resume(IMAGES)
    assert resumed.run_dir_ == interrupted.run_dir_
    assert torch.equal(resumed.sample(4).images, whole.sample(4).images)
    assert clone(gan).set_params(n_steps=5).resume(IMAGES).run_dir_ == interrupted.run_dir_
    for other in (clone(gan).set_params(random_state=1), clone(gan).set_params(recipe__width=4)):
        with pytest.raises(RunError, match="no run of a clone with these data and parameters"):
            other.resume(IMAGES)
    with pytest.raises(RunError, match="no run of a clone"):
        clone(gan).resume(noise((9, 6)))


def test_threads_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: create_fit_folder(tmp_path, "fit-0123456789abcdef"), range(40)))
    assert sorted(folders) == sorted(tmp_path.iterdir())
    assert len(set(folders)) == 40
