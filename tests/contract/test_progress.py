"""What a fit reports: only warnings by default, progress and findings on request, and events to the logger always."""

import logging
import warnings
from dataclasses import replace

import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from ganaug import GANAugmenter, bias_report, diversity_report, utility_report
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
    assert any("not learned, and get no synthetic images: dark" in message for message in messages)
    assert all(warning.filename == __file__ for warning in caught if warning.category is TrainingWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", TrainingWarning)
        GANAugmenter(**gan.get_params(deep=False)).fit(tones(60))


def test_a_silent_fit_warns_of_every_symptom_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = augmenter(n_steps=12, check_every=1, generator_lr=1e-9, discriminator_lr=5e-2, **SMALL).fit(tones(30))
    symptoms = {finding.symptom for finding in fitted.health_}
    assert symptoms
    texts = [str(warning.message) for warning in caught if warning.category is TrainingWarning]
    assert [sum(symptom in text for text in texts) for symptom in sorted(symptoms)] == [1] * len(symptoms)
    assert all("action: " in text for text in texts if "learned" not in text)


def test_stages_of_a_fit_have_names(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        augmenter(n_steps=2, verbose=1, **{**SMALL, "filters": "copies,label"}).fit(tones(12))
    err = capfd.readouterr().err
    stages = ["Training the small classifier", "Training the generator on", "Drawing samples of each class"]
    assert [stage for stage in stages if stage in err] == stages


@pytest.mark.parametrize("name", ["diversity", "bias", "utility"])
def test_reports_show_what_they_do_on_request(name, capfd):
    real, synthetic = tones(24), tones(24, seed=1)
    sites = pd.DataFrame({"attr_site": ["north", "south"] * 36})
    calls = {
        "diversity": lambda **shown: diversity_report(real, synthetic, features="pixels", pictures=False, **shown),
        "bias": lambda **shown: bias_report(
            replace(real, metadata=sites), replace(synthetic, metadata=sites), features="pixels", **shown
        ),
        "utility": lambda **shown: utility_report(
            real, synthetic, test=tones(24, seed=2), shares=(0.5,), classifier=GaussianNB(), n_seeds=2, **shown
        ),
    }
    steps: list[tuple[str, int, int]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        calls[name]()
        assert capfd.readouterr() == ("", "")
        calls[name](verbose=1)
        err = capfd.readouterr().err
        calls[name](verbose=1, progress=lambda *step: steps.append(step))
    assert err.startswith("evaluate: " if name == "utility" else "report: ")
    assert steps
    assert capfd.readouterr().err == ""
    assert all(0 <= done < total for _, done, total in steps)
