"""What users pass in and get back: samples in the form of their data, counts in any container, and short texts."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from ganaug import GANAugmenter, LabeledImages, Report, bias_report, diversity_report, read_folder, write_folder
from ganaug.errors import ClassNotLearnedError, OutputError, TrainingWarning
from ganaug.sampling.filters import FilterStats
from tests.sets import SMALL, augmenter, noise, sites, tones

DIGITS = load_digits(return_X_y=True)


def small(n_rows=200, values=None, **params):
    """A generator of digits with 17 levels, 0 to 16, fitted for two steps; X and y."""
    X, y = DIGITS[0][:n_rows], DIGITS[1][:n_rows]
    y = y if values is None else np.array(values)[y]
    return augmenter(**{**SMALL, "n_steps": 2, "image_shape": (8, 8), **params}), X, y


def test_samples_can_be_stacked_onto_the_rows_they_were_fitted_on():
    gan, X, y = small(values=[f"digit {k}" for k in range(10)])
    new_X, new_y = gan.fit(X, y).sample_rows({"digit 3": 5, "digit 7": 2})
    assert (new_X.dtype, new_X.shape) == (X.dtype, (7, 64))
    assert 0 <= new_X.min() <= new_X.max() <= 16
    assert new_y.tolist() == ["digit 3"] * 5 + ["digit 7"] * 2
    both = LogisticRegression(max_iter=20).fit(np.vstack([X, new_X]), np.concatenate([y, new_y]))
    assert both.classes_.tolist() == gan.classes_.tolist()


def test_they_are_the_rows_that_fit_resample_appends():
    gan, X, y = small(sampling_strategy={3: 60})
    new_X, new_y = gan.fit_resample(X, y)
    rows, labels = gan.sample_rows({3: len(new_X) - len(X)}, start=0)
    np.testing.assert_array_equal(new_X[len(X) :], rows)
    np.testing.assert_array_equal(new_y[len(y) :], labels)


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.int64])
def test_rows_keep_their_dtype_and_range(kind):
    for shape in ((8, 8), None):
        gan, X, y = small(image_shape=shape)
        X = X.astype(kind)
        new_X, _ = gan.fit(X, y).sample_rows(40)
        assert new_X.dtype == kind
        assert new_X.max() <= 16  # not 255
        assert gan.fit_resample(X, y)[0].max() <= 16


def test_a_table_and_a_tensor_come_back_as_such(tmp_path):
    gan, X, y = small()
    table = pd.DataFrame(X, columns=[f"pixel{k}" for k in range(64)])
    gan.fit(table, y).save(tmp_path)
    for fitted in (gan, GANAugmenter.load(tmp_path)):
        new_X, new_y = fitted.sample_rows({3: 2}, random_state=1)
        assert isinstance(new_X, pd.DataFrame)
        assert list(new_X.columns) == list(table.columns)
        assert new_y.tolist() == [3, 3]
    images = torch.from_numpy(X.reshape(-1, 1, 8, 8)).float()
    new_X, _ = gan.set_params(image_shape=None).fit(images, y).sample_rows(4)
    assert (new_X.dtype, new_X.shape) == (torch.float32, (4, 1, 8, 8))


def test_other_containers_say_what_to_use():
    gan = augmenter(**SMALL, n_steps=1).fit(tones(8))
    with pytest.raises(TypeError, match="Use sample, which returns LabeledImages"):
        gan.sample_rows(3)
    gan, X, y = small(image_shape=None, image_size=16)
    with pytest.raises(ValueError, match="image_size was set"):
        gan.fit(X.reshape(-1, 8, 8), y).sample_rows(3)


def test_counts_may_be_a_series_or_a_counter():
    gan, X, y = small()
    gan.fit(X, y)
    expected = gan.sample({3: 2, 1: 1}, start=0)
    for counts in (pd.Series({3: 2, 1: 1}), Counter([3, 1, 3]), pd.Series([3, 1, 3]).value_counts()):
        assert torch.equal(gan.sample(counts, start=0).images, expected.images)


def with_unlearned(*labels):
    """A fitted generator of dark, middle and bright, of which some count as unlearned."""
    gan = augmenter(**{**SMALL, "filters": "copies"}, n_steps=2).fit(tones(8))
    bad = FilterStats(drawn=100, copies=100, mislabeled=0)
    stats = {**gan.model_.filter_stats, **dict.fromkeys(labels, bad)}
    object.__setattr__(gan.model_, "filter_stats", stats)
    return gan


def test_a_total_leaves_out_a_class_that_was_not_learned_and_names_it():
    gan = with_unlearned(1)
    with pytest.warns(TrainingWarning, match="not learned: middle. The 9 images are split among the other classes"):
        assert gan.sample(9).counts == {"dark": 5, "middle": 0, "bright": 4}
    assert gan.sample(9, filtered=False).counts == {"dark": 3, "middle": 3, "bright": 3}
    with pytest.raises(ClassNotLearnedError, match="'middle'"):
        gan.sample({"middle": 1})
    with pytest.raises(ClassNotLearnedError, match="classes not learned"):
        with_unlearned(0, 1, 2).sample(9)


def test_without_a_seed_each_fit_has_another_one():
    gan, X, y = small(random_state=None)
    assert gan.fit(X, y).seed_ != gan.fit(X, y).seed_


def test_a_set_is_one_line_of_text_and_a_table_in_a_notebook():
    images = tones(5)
    assert repr(images) == "LabeledImages(15 images of 16x16 in gray; dark: 5, middle: 5, bright: 5)"
    many = LabeledImages(noise((30,)).images, torch.arange(30), [f"class {k}" for k in range(30)])
    assert repr(many).endswith("class 9: 1, 20 more classes)")
    page = images._repr_html_()
    assert page.count("<img") == 3
    assert "bright" in page
    assert "&lt;x&gt;" in LabeledImages(images.images, images.labels, ("<x>", "b", "c"))._repr_html_()


def test_a_report_prints_its_verdict_and_tables_and_no_pictures():
    images = sites()
    reports = diversity_report(images, images.take([0, 20, 40]), features="pixels"), bias_report(images, images)
    for report in reports:
        text = str(report)
        assert text.startswith(f"{report.title}: {report.verdict}")
        assert report.summary[0].split(".")[0][:30] in " ".join(text.split())
        assert "base64" not in text
        assert len(text) < 20_000
        assert max(map(len, text.splitlines())) <= 100
        assert len(repr(report)) < 100


def test_nothing_is_overwritten_silently(tmp_path):
    report = Report("bias", "Composition", "pass", (), ())
    gan = augmenter(**SMALL, n_steps=1).fit(tones(8))
    writers = (
        (report.to_html, tmp_path / "page.html"),
        (report.to_json, tmp_path / "report.json"),
        (gan.save, tmp_path / "model"),
    )
    for write, path in writers:
        first = write(path)
        assert first in (path, None)
        with pytest.raises(OutputError, match="overwrite=True"):
            write(path)
        write(path, overwrite=True)
    write_folder(tones(2), tmp_path / "folder")
    before = read_folder(tmp_path / "folder").fingerprint()
    with pytest.raises(OutputError):
        write_folder(tones(3), tmp_path / "folder")
    assert read_folder(tmp_path / "folder").fingerprint() == before


def test_a_missing_path_is_reported_before_torch_is_imported():
    import subprocess
    import sys

    program = (
        "import sys\nfrom ganaug.cli.main import main\n"
        "try: main(['fit', 'nowhere', '--run', 'run'])\n"
        "except SystemExit as error: print(error.code, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
    assert "nowhere: does not exist. Check the path." in done.stderr
