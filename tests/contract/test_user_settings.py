"""Results do not depend on what a user has set in scikit-learn, pandas and NumPy."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sklearn

from ganaug import bias_report, diversity_report, utility_report
from tests.sets import tones

REAL, SYNTHETIC, TEST = (
    replace(images, metadata=pd.DataFrame({"attr_light": ["day", "night"] * (len(images) // 2)}))
    for images in (tones(30), tones(12, seed=1), tones(12, seed=2))
)


def results():
    """Two pages with their figures, and numbers of a third report."""
    utility = utility_report(REAL, SYNTHETIC, test=TEST, n_seeds=1, resamples=20, classifier="features", shares=(0.5,))
    return [
        diversity_report(REAL, SYNTHETIC, unseen=TEST).to_html(),
        bias_report(REAL, replace(SYNTHETIC, metadata=None), predicted=True).to_html(),
        utility.to_json(),
    ]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_reports_are_the_same():
    expected = results()
    with (
        sklearn.config_context(transform_output="pandas", enable_metadata_routing=True),
        pd.option_context("future.infer_string", True, "mode.copy_on_write", True),
        np.errstate(all="raise"),
    ):
        assert results() == expected
