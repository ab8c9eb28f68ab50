import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from ganaug import GANAugmenter, LabeledImages, utility_report
from ganaug.errors import DataError
from ganaug.evaluation.baselines import BASELINES
from ganaug.evaluation.classifiers import CNN
from tests.planted.test_utility_verdict import PoolGenerator, digits
from tests.sets import SMALL, augmenter, noise

LINEAR = LogisticRegression(C=10, max_iter=200)


@pytest.fixture(scope="module")
def sets():
    return digits(0)


def quick(real, source, **options):  # few trainings of a fast classifier
    return utility_report(
        real, source, **{"classifier": LINEAR, "n_seeds": 2, "resamples": 50, "shares": (0.25,), **options}
    )


def with_groups(images, groups):
    return replace(images, metadata=pd.DataFrame({"group_id": groups}))


def test_every_method_is_in_the_report_and_the_json_has_no_nan(sets, tmp_path):
    train, validation, test = sets
    report = quick(train.take(range(4, 80)), PoolGenerator(validation), test=test)
    frame = report.to_frame()
    mixed = {"mixup", "CutMix"}  # which a classifier that is not trained on batches cannot apply
    methods = {
        *(set(BASELINES) - mixed),
        "real only, square-root balance",
        "classical augmentation, classes as they are",
        "25% synthetic",
        "filled to balance",
        "best baseline",
        "best with synthetic",
    }
    assert methods <= set(frame["subject"])
    assert any(name.endswith(", logit adjustment") for name in frame["subject"])
    assert not mixed & set(frame["subject"])
    assert all(any(name in note for note in report.facts["notes"]) for name in mixed)
    content = json.loads(
        report.to_json(tmp_path / "report.json").read_text(), parse_constant=lambda name: pytest.fail(name)
    )
    assert content["schema"] == "ganaug-report/3"
    assert content["verdict"] == report.verdict
    assert json.loads((tmp_path / "report.json").read_text()) == content


def test_the_page_requests_nothing_and_runs_no_script(sets, tmp_path):
    train, validation, test = sets
    classes = ("<script>alert(1)</script>", *train.classes[1:])
    hostile = [replace(part, classes=classes) for part in (train, validation, test)]
    page = quick(hostile[0], PoolGenerator(hostile[1]), test=hostile[2]).to_html(tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page


@pytest.mark.slow
def test_the_same_seed_gives_the_same_report_with_and_without_cache(sets, monkeypatch, tmp_path):
    train, validation, test = sets
    reports = []
    for cache in ("one", "one", "another"):
        monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / cache))
        reports.append(quick(train, PoolGenerator(validation), test=test, classifier=CNN(steps=20, width=8)).to_json())
    assert reports[0] == reports[1] == reports[2]


def test_a_second_report_trains_nothing(sets, monkeypatch):
    train, validation, test = sets
    quick(train, PoolGenerator(validation), test=test)
    monkeypatch.setattr(LogisticRegression, "fit", lambda *args, **options: pytest.fail("trained again"))
    quick(train, PoolGenerator(validation), test=test)


def test_without_test_images_the_augmenter_is_fitted_on_each_training_fold_only(sets):
    train, validation, _ = sets
    fitted = []

    class Spy(PoolGenerator):
        def fit(self, X, y=None):
            fitted.append(X)
            return self

    report = quick(train, Spy(validation), n_folds=2)
    assert len(fitted) == 2
    hashes = [{image.numpy().tobytes() for image in part.images} for part in fitted]
    assert not hashes[0] & hashes[1]  # of two folds, each tests on what the other trains on
    assert report.facts["test images"] == "80, cross-fitted over 2 folds"


def test_groups_are_never_split_between_training_and_test_images(sets):
    train, validation, _ = sets
    groups = np.arange(len(train)) // 2
    fitted = []

    class Spy(PoolGenerator):
        def fit(self, X, y=None):
            fitted.append(set(X.metadata["group_id"]))
            return self

    quick(with_groups(train, groups), Spy(validation), n_folds=2)
    assert not fitted[0] & fitted[1]


def test_a_generator_trained_on_test_images_is_refused():
    real, test = noise((12, 12), seed=0), noise((6, 6), seed=1)
    both = LabeledImages(torch.cat([real.images, test.images]), torch.cat([real.labels, test.labels]), real.classes)
    gan = augmenter(n_steps=2, **SMALL).fit(both)
    with pytest.raises(DataError, match="trained on 12 of the 12 test images"):
        quick(real, gan, test=test)


def test_a_loaded_generator_trained_on_test_images_is_refused(tmp_path):
    real, test = noise((12, 12), seed=0), noise((6, 6), seed=1)
    augmenter(n_steps=2, **SMALL).fit(test).save(tmp_path / "model")
    with pytest.raises(DataError, match="test images"):
        quick(real, GANAugmenter.load(tmp_path / "model", "cpu"), test=test)


@pytest.mark.parametrize(
    "alter", [lambda x: x, lambda x: (x.int() + 1).clamp(0, 255).to(torch.uint8)], ids=["exact", "brighter"]
)
def test_near_copies_of_test_images_among_synthetic_images_are_refused(sets, alter):
    train, validation, test = sets
    leaked = replace(validation, images=validation.images.clone())
    leaked.images[:10] = alter(test.images[:10])
    with pytest.raises(DataError, match="test image"):
        quick(train, leaked, test=test)
    quick(train, validation, test=test)  # real images that are not copies are accepted


def test_synthetic_images_need_test_images(sets):
    train, validation, _ = sets
    with pytest.raises(ValueError, match="test="):
        quick(train, validation)


def test_test_images_that_are_training_images_are_left_out_with_a_note(sets):
    train, validation, test = sets
    both = LabeledImages(
        torch.cat([test.images, train.images[:4]]), torch.cat([test.labels, train.labels[:4]]), test.classes
    )
    report = quick(train, PoolGenerator(validation), test=both)
    assert report.facts["test images"] == len(test)
    assert any("4 test images are training images" in sentence for sentence in report.summary)


def test_a_group_with_training_and_test_images_is_refused(sets):
    train, validation, test = sets
    with pytest.raises(DataError, match="group '1'"):
        quick(
            with_groups(train, np.arange(len(train)) % 2),
            PoolGenerator(validation),
            test=with_groups(test, [1] * len(test)),
        )


def test_classes_are_matched_by_name_and_unknown_ones_refused(sets):
    train, validation, test = sets
    reversed_test = replace(test, labels=9 - test.labels, classes=test.classes[::-1])
    assert (
        quick(train, PoolGenerator(validation), test=reversed_test).to_json()
        == quick(train, PoolGenerator(validation), test=test).to_json()
    )
    with pytest.raises(DataError, match="class 'x'"):
        quick(train, PoolGenerator(validation), test=replace(test, classes=("x", *test.classes[1:])))


def test_a_method_that_a_classifier_does_not_support_is_left_out_with_a_note(sets):
    train, validation, test = sets
    report = quick(train.take(range(4, 80)), PoolGenerator(validation), test=test, classifier=KNeighborsClassifier(3))
    assert "class weights" not in set(report.to_frame()["subject"])
    assert any("takes no sample_weight" in sentence for sentence in report.summary)


def test_a_function_can_return_the_classifier(sets):
    train, validation, test = sets
    assert quick(
        train, PoolGenerator(validation), test=test, classifier=lambda: LogisticRegression(C=10, max_iter=200)
    ).rows


def test_images_marked_as_synthetic_are_left_out_of_the_real_ones(sets):
    train, validation, test = sets
    metadata = pd.DataFrame({"is_synthetic": [False] * len(train) + [True] * 5})
    both = LabeledImages(
        torch.cat([train.images, validation.images[:5]]),
        torch.cat([train.labels, validation.labels[:5]]),
        train.classes,
        metadata,
    )
    assert quick(both, PoolGenerator(validation), test=test).facts["training images"] == len(train)


def test_a_class_too_small_to_split_is_named(sets):
    train, validation, _ = sets
    with pytest.raises(DataError, match="class '0' has 2 images"):
        quick(train.take([0, 1, *range(8, 80)]), PoolGenerator(validation))


@pytest.mark.parametrize(
    "options", [{"shares": (0, 0.5)}, {"shares": ()}, {"n_seeds": 0}, {"n_folds": 1}, {"classifier": "cn"}]
)
def test_invalid_parameters_are_refused_before_any_training(sets, options):
    train, validation, test = sets
    with pytest.raises(ValueError, match=next(iter(options)) if "classifier" not in options else "Did you mean 'cnn'"):
        quick(train, PoolGenerator(validation), test=test, **options)


def test_a_time_budget_ends_the_comparison_after_two_seeds_with_a_note(sets):
    train, validation, test = sets
    report = quick(train, PoolGenerator(validation), test=test, n_seeds=5, time_budget=1e-6)
    assert report.facts["seeds"] == 2
    assert any("time budget" in sentence for sentence in report.summary)


def test_a_generator_with_classes_in_another_order_is_matched_by_name(sets):
    """The second time its samples come from the cache."""
    train, validation, test = sets
    order = torch.arange(9, -1, -1)
    reversed_pool = replace(validation, labels=order[validation.labels], classes=validation.classes[::-1])

    class Named(PoolGenerator):
        def cache_key(self):
            return "reversed"

    expected = quick(train, PoolGenerator(validation), test=test)
    for _ in range(2):
        report = quick(train, Named(reversed_pool), test=test)
        assert report.verdict == expected.verdict == "helps"


def test_parameters_that_change_samples_change_the_cache_key():
    gan = augmenter(**SMALL)
    assert gan.cache_key() != augmenter(**{**SMALL, "latent_std": 1.2}).cache_key()
    assert augmenter(**{**SMALL, "random_state": None}).cache_key() is None
    assert augmenter(**SMALL, augmentation=["translation", lambda images, generator: images]).cache_key() is None
    fitted = augmenter(n_steps=2, **SMALL).fit(noise((6, 6)))
    before = fitted.cache_key()
    assert fitted.set_params(recipe__truncation=0.5).cache_key() != before


def test_a_generator_that_was_planned_but_not_fitted_is_fitted(sets):
    real, test = noise((12, 12), seed=0), noise((12, 12), seed=1)
    gan = augmenter(n_steps=2, **SMALL)
    gan.plan(real)
    assert quick(real, gan, test=test, classifier=CNN(steps=5, width=4)).verdict in ("no evidence", "hurts")


def test_a_run_folder_is_not_shared_between_folds(tmp_path):
    real = noise((12, 12))
    gan = augmenter(n_steps=2, run_dir=tmp_path / "run", **SMALL)
    quick(real, gan, n_folds=2, classifier=CNN(steps=5, width=4))
    assert not (tmp_path / "run").exists()


def test_close_shares_have_different_names(sets):
    train, validation, test = sets
    report = quick(train, PoolGenerator(validation), test=test, shares=(0.12, 0.124))
    assert {"12% synthetic", "12.4% synthetic"} <= set(report.to_frame()["subject"])


def test_synthetic_images_in_the_test_folder_are_not_tested_on(sets):
    train, validation, test = sets
    marked = replace(test, metadata=pd.DataFrame({"is_synthetic": ["True"] * 5 + [""] * (len(test) - 5)}))
    assert quick(train, PoolGenerator(validation), test=marked).facts["test images"] == len(test) - 5


def test_missing_marks_do_not_make_real_images_synthetic(sets):
    train, validation, test = sets
    unmarked = replace(train, metadata=pd.DataFrame({"is_synthetic": [None, np.nan] * (len(train) // 2)}))
    assert quick(unmarked, PoolGenerator(validation), test=test).facts["training images"] == len(train)


def test_few_test_images_of_many_classes_are_no_evidence(sets):
    train, validation, test = sets
    few = test.take([60 * label + k for label in range(10) for k in range(3)])
    report = quick(train, PoolGenerator(validation), test=few)
    assert report.verdict == "no evidence"
    assert any("too few for a verdict" in sentence for sentence in report.summary)


def test_class_names_with_dollars_and_escapes_are_safe_on_page_and_terminal(sets):
    train, validation, test = sets
    classes = ("$_$", "a\x1b]0;hi\x07", *train.classes[2:])
    parts = [replace(part, classes=classes) for part in (train, validation, test)]
    report = quick(parts[0], PoolGenerator(parts[1]), test=parts[2])
    assert report.to_html()
    terminal = StringIO()
    Console(file=terminal, width=200, force_terminal=True).print(report)
    assert "]0;hi" in terminal.getvalue()
    assert "\x1b]0" not in terminal.getvalue()


def test_mirrored_copies_of_test_images_are_refused(sets):
    train, validation, test = sets
    leaked = replace(validation, images=validation.images.clone())
    leaked.images[:30] = test.images[::20].flip(3)
    with pytest.raises(DataError, match="nearly repeat a test image"):
        quick(train, leaked, test=test)


def test_one_exact_copy_among_a_hundred_images_is_refused(sets):
    train, validation, test = sets
    leaked = replace(validation, images=validation.images.clone())
    leaked.images[: len(leaked) // 100] = test.images[: len(leaked) // 100]
    with pytest.raises(DataError, match="pixel for pixel"):
        quick(train, leaked, test=test)


def test_the_best_method_is_on_the_page_in_the_json_and_in_the_terminal(sets):
    train, validation, test = sets
    report = quick(train.take(range(4, 80)), PoolGenerator(validation), test=test, n_seeds=5)
    assert report.verdict == "helps"
    assert "synthetic" in report.recipe.name
    assert "mix_synthetic(real, synthetic, 0.25" in report.recipe.code
    assert report.to_dict()["recipe"] == {
        "name": report.recipe.name, "text": report.recipe.text, "code": report.recipe.code
    }  # fmt: skip
    page = report.to_html()
    assert "GANAugmenter(time_budget=600)" in page
    terminal = StringIO()
    Console(file=terminal, width=200).print(report)
    assert f"Best method found: {report.recipe.name}" in terminal.getvalue()


def test_worthless_samples_leave_a_recipe_without_them(sets):
    train, _, test = sets
    report = quick(train, PoolGenerator(train), test=test)
    assert report.facts["share"] == 0
    assert set(report.facts["class_shares"].values()) == {0}
    assert "synthetic" not in report.recipe.name
    assert report.facts["balance"] in (0, 0.5, 1)


def test_methods_left_behind_are_folded_on_the_page_and_counted_in_the_terminal(sets):
    train, validation, test = sets
    report = quick(train.take(range(4, 80)), PoolGenerator(validation), test=test)
    section = "Methods left behind after their first trainings"
    names = report.tables()[section].subjects
    assert len(names) > 3
    assert f"<details><summary>{len(names)} rows</summary>" in report.to_html()
    terminal = StringIO()
    Console(file=terminal, width=200).print(report)
    assert f"{section}: {len(names)} rows" in terminal.getvalue()
    best_first = [cells["balanced accuracy"].value for cells in names.values()]
    assert best_first == sorted(best_first, reverse=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "accuracy"}, "Unknown objective 'accuracy'"),
        ({"objective": "rare_recall"}, "needs a class with fewer images than the mean class.*0: 8"),
        ({"margin": 1.0}, "margin must be a fraction"),
    ],
)
def test_an_objective_that_cannot_be_judged_is_refused_before_any_training(sets, options, message):
    train, validation, test = sets
    with pytest.raises(ValueError, match=message):
        quick(train, PoolGenerator(validation), test=test, **options)


def test_every_sentence_and_gain_is_about_the_objective(sets):
    train, validation, test = sets
    rare = train.take(range(4, 80))
    for objective, title in {"macro_f1": "macro F1", "rare_recall": "recall of rare classes"}.items():
        report = quick(rare, PoolGenerator(validation), test=test, objective=objective, margin=0.2)
        assert title in report.summary[0]
        assert report.facts["objective"] == objective
        rows = report.tables()["Training methods"].subjects
        difference = rows["best with synthetic"][title].value - rows["best baseline"][title].value
        assert report.facts["gain"] == pytest.approx(difference)


def test_trainings_in_two_threads_give_the_same_report(sets):
    train, validation, test = sets
    reports = [quick(train, PoolGenerator(validation), test=test, n_jobs=n).to_json() for n in (1, 2)]
    assert reports[0] == reports[1]
