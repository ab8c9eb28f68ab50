"""Metrics of real and synthetic images: pure functions of features, pixels or counts.

They know no model and no report. Most take features, (N, D), which the functions in `FEATURES` compute from images.
Those of copies, membership, mirror symmetry and spectra take the images themselves, uint8 (N, C, H, W). Those of
attributes take counts.
"""

from ganaug.metrics.aligned_copies import copy_ratios, copy_threshold
from ganaug.metrics.alignment import aligned_nearest
from ganaug.metrics.attribute_shift import ShareShift, clustered_share_shift, share_shift
from ganaug.metrics.bias_amplification import (
    Amplification,
    CalibratedAmplification,
    amplification,
    calibrated_amplification,
)
from ganaug.metrics.class_recognition import Recognition, recognize_classes
from ganaug.metrics.copies import copy_radius, near_copies, nearest_distances, nearest_other_distances, sketch
from ganaug.metrics.copy_detection import CopyDetector
from ganaug.metrics.distance import (
    energy_distance,
    frechet_distance,
    kernel_distance,
    kernel_distance_error,
    mean_pairwise_distance,
    pairwise_distances,
    polynomial_kernel,
)
from ganaug.metrics.diversity import DIVERSITY_METRICS, DiversityMetric, MetricResult
from ganaug.metrics.features import FEATURES, efficientnet_features, get_extractor, pixel_features
from ganaug.metrics.intervals import auc_interval, newcombe_interval, share_upper_bound, wilson_interval
from ganaug.metrics.membership_inference import Membership, membership_advantage, nearest_synthetic_distances
from ganaug.metrics.mirror_symmetry import is_mirror_symmetric, mirror_p_value
from ganaug.metrics.modes import Mode, find_modes
from ganaug.metrics.pair import Pair
from ganaug.metrics.permutation import Permutations, PermutationTestResult, permutation_test
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
from ganaug.metrics.predicted_attributes import CorrectedShares, corrected_shares, predicted_share_test
from ganaug.metrics.spectrum import detail_score, grid_score
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
    "DIVERSITY_METRICS",
    "FEATURES",
    "Amplification",
    "CalibratedAmplification",
    "CopyDetector",
    "CorrectedShares",
    "DiversityMetric",
    "Membership",
    "MetricResult",
    "Mode",
    "Pair",
    "PermutationTestResult",
    "Permutations",
    "Recognition",
    "ShareShift",
    "aligned_nearest",
    "amplification",
    "auc_interval",
    "calibrated_amplification",
    "classifier_test",
    "clustered_share_shift",
    "copy_radius",
    "copy_ratios",
    "copy_threshold",
    "corrected_shares",
    "count_balls",
    "coverage",
    "coverage_test",
    "covered",
    "density",
    "dependence_test",
    "detail_score",
    "efficientnet_features",
    "energy_distance",
    "expected_coverage",
    "find_modes",
    "frechet_distance",
    "get_extractor",
    "grid_score",
    "group_coverage_test",
    "is_mirror_symmetric",
    "kernel_distance",
    "kernel_distance_error",
    "kernel_test",
    "mean_pairwise_distance",
    "mean_test",
    "membership_advantage",
    "mirror_p_value",
    "near_copies",
    "nearest_distances",
    "nearest_other_distances",
    "nearest_synthetic_distances",
    "neighbors",
    "newcombe_interval",
    "pairwise_distances",
    "permutation_test",
    "pixel_features",
    "polynomial_kernel",
    "precision",
    "predicted_share_test",
    "radii",
    "recall",
    "recognize_classes",
    "share_shift",
    "share_upper_bound",
    "sketch",
    "vendi_ratio",
    "vendi_score",
    "wilson_interval",
]
