"""Do synthetic images improve a classifier? The utility test and its parts.

The test trains classifiers by several training methods: the baselines, which use real images only, and mixtures of real
and synthetic images. `ganaug.utility_report` runs it. This package holds its parts, for users who add a baseline or a
classifier, or who compare the predictions of other models:

- `BASELINES` and `CLASSIFIERS`, to which entries can be added, and `TrainingSet`, which both work with;
- `Trial`, which trains by every method and returns `Predictions`;
- `Comparison`, which computes scores, paired bootstrap intervals and the verdict from `Predictions`.
"""

from ganaug.evaluation.augmenters import Augmenter
from ganaug.evaluation.baselines import BASELINES, smote
from ganaug.evaluation.bootstrap import Interval, Resamples, holm, interval, share_interval
from ganaug.evaluation.classical import classical
from ganaug.evaluation.classifiers import CLASSIFIERS, CNN, Classifier, Features, classifier_for
from ganaug.evaluation.comparison import Comparison, Method
from ganaug.evaluation.leaks import check_copies, check_training_images
from ganaug.evaluation.predictions import Predictions, estimate_log_prior
from ganaug.evaluation.scores import Scores, compute_scores, offset
from ganaug.evaluation.sklearn_classifier import SklearnClassifier
from ganaug.evaluation.splits import Fold, folds, groups_of
from ganaug.evaluation.training_set import (
    NotApplicableError,
    TrainingSet,
    balanced,
    combine,
    filled,
    mixed,
    weight_classes,
)
from ganaug.evaluation.trial import Trial

__all__ = [
    "BASELINES",
    "CLASSIFIERS",
    "CNN",
    "Augmenter",
    "Classifier",
    "Comparison",
    "Features",
    "Fold",
    "Interval",
    "Method",
    "NotApplicableError",
    "Predictions",
    "Resamples",
    "Scores",
    "SklearnClassifier",
    "TrainingSet",
    "Trial",
    "balanced",
    "check_copies",
    "check_training_images",
    "classical",
    "classifier_for",
    "combine",
    "compute_scores",
    "estimate_log_prior",
    "filled",
    "folds",
    "groups_of",
    "holm",
    "interval",
    "mixed",
    "offset",
    "share_interval",
    "smote",
    "weight_classes",
]
