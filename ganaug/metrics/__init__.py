"""Metrics of real and synthetic images: pure functions of features, pixels or counts.

They know no model and no report. Most take features, (N, D), which the functions in `FEATURES` compute from images.
Those of copies, membership and mirror symmetry take the images themselves, uint8 (N, C, H, W). Those of attributes take
counts.
"""

from ganaug.metrics.aligned_copies import copy_limit, copy_ratios
from ganaug.metrics.alignment import aligned_nearest
from ganaug.metrics.attribute_shift import Shift, clustered_shift, shift
from ganaug.metrics.bias_amplification import (
    Amplification,
    CalibratedAmplification,
    amplification,
    calibrated_amplification,
)
from ganaug.metrics.class_recognition import Recognition, recognition
from ganaug.metrics.copies import copy_radius, near_copies, nearest, nearest_other, sketch
from ganaug.metrics.copy_detection import Traces
from ganaug.metrics.distance import (
    energy_distance,
    frechet_distance,
    kernel_distance,
    kernel_distance_error,
    mean_pairwise_distance,
    pairwise_distances,
    polynomial_kernel,
)
from ganaug.metrics.diversity import MEASURES, Measure, Measured
from ganaug.metrics.features import FEATURES, efficientnet_features, extractor, pixel_features
from ganaug.metrics.intervals import auc_interval, difference_of_shares, share_upper_bound, wilson
from ganaug.metrics.membership_inference import Membership, membership, nearest_synthetic
from ganaug.metrics.mirror_symmetry import keeps_meaning_mirrored, mirror_p_value
from ganaug.metrics.modes import Mode, find_modes
from ganaug.metrics.pair import Pair
from ganaug.metrics.permutation import Permutations, Tested, permutation_test
from ganaug.metrics.precision_recall import (
    count_balls,
    coverage,
    covered,
    density,
    expected_coverage,
    precision,
    radii,
    recall,
)
from ganaug.metrics.predicted_attributes import CorrectedShares, corrected_shares, guess_test
from ganaug.metrics.two_sample_tests import (
    classifier_test,
    coverage_test,
    dependence_test,
    group_coverage_test,
    kernel_test,
    mean_test,
    neighbors,
)
from ganaug.metrics.vendi import vendi_ratio, vendi_score

__all__ = [
    "FEATURES",
    "MEASURES",
    "Amplification",
    "CalibratedAmplification",
    "CorrectedShares",
    "Measure",
    "Measured",
    "Membership",
    "Mode",
    "Pair",
    "Permutations",
    "Recognition",
    "Shift",
    "Tested",
    "Traces",
    "aligned_nearest",
    "amplification",
    "auc_interval",
    "calibrated_amplification",
    "classifier_test",
    "clustered_shift",
    "copy_limit",
    "copy_radius",
    "copy_ratios",
    "corrected_shares",
    "count_balls",
    "coverage",
    "coverage_test",
    "covered",
    "density",
    "dependence_test",
    "difference_of_shares",
    "efficientnet_features",
    "energy_distance",
    "expected_coverage",
    "extractor",
    "find_modes",
    "frechet_distance",
    "group_coverage_test",
    "guess_test",
    "keeps_meaning_mirrored",
    "kernel_distance",
    "kernel_distance_error",
    "kernel_test",
    "mean_pairwise_distance",
    "mean_test",
    "membership",
    "mirror_p_value",
    "near_copies",
    "nearest",
    "nearest_other",
    "nearest_synthetic",
    "neighbors",
    "pairwise_distances",
    "permutation_test",
    "pixel_features",
    "polynomial_kernel",
    "precision",
    "radii",
    "recall",
    "recognition",
    "share_upper_bound",
    "shift",
    "sketch",
    "vendi_ratio",
    "vendi_score",
    "wilson",
]
