"""Rows of a bias report on coverage: does the generator cover each group of real images as well as the others?"""

import numpy as np
import torch

from ganaug._runtime.randomness import derive
from ganaug.metrics.attribute_shift import MIN_IMAGES
from ganaug.metrics.intervals import wilson_interval
from ganaug.metrics.permutation import Permutations
from ganaug.metrics.precision_recall import covered
from ganaug.metrics.two_sample_tests import group_coverage_test, neighbors
from ganaug.reports.attributes import Attribute
from ganaug.reports.composition import GROUPED, TOO_FEW, BiasInputs
from ganaug.reports.rows import Row

GROUP_COVERAGE = "Coverage by group"
NEIGHBORS = 5  # of a real image; it is covered if one of them is synthetic
MAX_IMAGES = 1000  # of a class, real and synthetic each


def group_coverage_rows(inputs: BiasInputs, attributes: list[Attribute]) -> list[Row]:
    """Compare the coverage of the real images of each group with that of the other real images of the class.

    Parameters
    ----------
    inputs : BiasInputs
        The images, with features.
    attributes : list of Attribute
        Each of their values defines a group.

    Returns
    -------
    list of Row
        The row "coverage" has a one-sided p value for lower coverage, by permutation of images together with their
        groups (`metrics.permutation.group_coverage_test`).
    """
    if inputs.is_grouped:
        return [
            Row(GROUP_COVERAGE, attribute.name, "coverage", None, state="insufficient", note=GROUPED)
            for attribute in attributes
        ]
    rows: list[Row] = []
    for attribute in attributes:
        for label in range(len(inputs.real.classes)):
            rows += _class_rows(inputs, attribute, label)
    return rows


def _class_rows(inputs: BiasInputs, attribute: Attribute, label: int) -> list[Row]:
    """Rows of one class and all values of one attribute."""
    assert inputs.features is not None
    name, rows = inputs.real.classes[label], []
    # predictions are compared with predictions
    real_values = attribute.real if attribute.predicted is None else attribute.predicted
    random = np.random.default_rng(derive(inputs.seed, "covered", name))
    real, synthetic = (
        np.sort(random.permutation(np.flatnonzero((images.labels.numpy() == label) & (values >= 0)))[:MAX_IMAGES])
        for images, values in ((inputs.real, real_values), (inputs.synthetic, attribute.synthetic))
    )
    if len(real) <= NEIGHBORS or not len(synthetic):
        return []
    features = [part[torch.from_numpy(places)] for part, places in zip(inputs.features, (real, synthetic), strict=True)]
    is_covered = covered(*features, k=NEIGHBORS).numpy()
    nearest = neighbors(torch.cat(features), NEIGHBORS)
    # one set of permutations serves all values: the table of neighbors is the same
    permutations = Permutations(len(real), len(synthetic), inputs.n_draws, derive(inputs.seed, "permutations", name))
    values_of_both = np.concatenate([real_values[real], attribute.synthetic[synthetic]])
    for value, text in enumerate(attribute.values):
        subject = f"{name}: {attribute.name} = {text}"
        # the true values define the group of real images, even if the test compares predictions
        in_group = attribute.real[real] == value
        if min(in_group.sum(), (~in_group).sum()) < MIN_IMAGES:
            rows.append(Row(GROUP_COVERAGE, subject, "coverage", None, state="insufficient", note=TOO_FEW))
            continue
        p = group_coverage_test(nearest, torch.from_numpy(values_of_both == value), permutations).p
        for metric, mask, p_value in (
            ("coverage", in_group, p),
            ("coverage of the other images of the class", ~in_group, None),
        ):
            hits, n = int(is_covered[mask].sum()), int(mask.sum())
            rows.append(Row(GROUP_COVERAGE, subject, metric, hits / n, *wilson_interval(hits, n), p_value))
    return rows
