"""What a fit reports: only warnings by default, progress and findings on request, and events to the logger always."""

import logging
import warnings

import pytest

from ganaug import GANAugmenter
from ganaug._runtime import progress
from ganaug.errors import TrainingWarning
from tests.sets import SMALL, augmenter, noise, tones


def test_a_fit_prints_nothing_but_warnings_by_default(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        augmenter(n_steps=2, **SMALL).fit(noise())
    assert capfd.readouterr() == ("", "")


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
def test_verbose_shows_plan_steps_and_end_on_stderr(capfd, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    augmenter(n_steps=4, check_every=2, verbose=1, **SMALL).fit(noise())
    out, err = capfd.readouterr()
    assert out == ""
    assert "network = dcgan" in err
    assert "step 3/4" in err
    assert "fit ended (finished) after 4 steps" in err


@pytest.mark.filterwarnings("ignore::ganaug.errors.TrainingWarning")
def test_the_logger_gets_the_events_of_a_silent_fit(caplog):
    with caplog.at_level(logging.INFO, logger="ganaug"):
        augmenter(n_steps=4, check_every=2, **SMALL).fit(noise())
    texts = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("Plan:") for text in texts)
    assert sum(text.startswith("step ") and "score" in text for text in texts) == 2
    assert texts[-1].startswith("fit ended")


def test_a_collapse_and_unlearned_classes_are_warnings_of_their_own_category():
    gan = augmenter(n_steps=1, **{**SMALL, "filters": "label", "batch_size": 8})
    with pytest.warns(TrainingWarning) as caught:
        gan.set_params(sampling_strategy={"dark": 70}).fit(tones(60))
    messages = [str(warning.message) for warning in caught]
    assert any("mode-collapse" in message for message in messages)
    assert any("not learned, and not filled up: dark" in message for message in messages)
    assert all(warning.filename == __file__ for warning in caught if warning.category is TrainingWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TrainingWarning)
        GANAugmenter(**gan.get_params(deep=False)).fit(tones(60))
