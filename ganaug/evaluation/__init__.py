"""Do synthetic images improve a classifier? The utility test and its parts.

The test trains classifiers by several training methods: the baselines, which use real images only, and mixtures of real
and synthetic images. `ganaug.utility_report` runs it. This package holds its parts, for users who add a baseline or a
classifier, or who compare the predictions of other models:

- `BASELINES`, `ALTERATIONS` and `CLASSIFIERS`, to which entries can be added, and `TrainingSet`, which all work with;
- `TrainingMethod`, what is varied: baseline, balance of the classes, length, synthetic share;
- `Trial`, which trains by every method, most of them few times, and returns `Predictions`;
- `Comparison`, which computes scores, paired bootstrap intervals and the verdict from `Predictions`;
- `choose_share`, and `Recipe`, the best method as a program.
"""

from ganaug.datasets.alterations import ALTERATIONS, Alteration, classical_augmentation
from ganaug.evaluation.augmenters import Augmenter
from ganaug.evaluation.baselines import BASELINES, smote
from ganaug.evaluation.bootstrap import Interval, Resamples, holm, interval, proportion_interval
from ganaug.evaluation.classifiers import CLASSIFIERS, Classifier, FeatureClassifier, resolve_classifier
from ganaug.evaluation.comparison import Comparison, Method
from ganaug.evaluation.function_classifier import DrawnImages, FunctionClassifier
from ganaug.evaluation.groups import resolve_groups
from ganaug.evaluation.leaks import check_copies, check_training_images
from ganaug.evaluation.methods import TrainingMethod
from ganaug.evaluation.networks import CNN, ResNet18, n_training_steps
from ganaug.evaluation.predictions import Predictions, estimate_log_prior
from ganaug.evaluation.recipe import Recipe, write_recipe
from ganaug.evaluation.scores import Scores, adjust_logits, compute_scores
from ganaug.evaluation.sklearn_classifier import SklearnClassifier
from ganaug.evaluation.splits import Fold, split_folds
from ganaug.evaluation.training_set import (
    NotApplicableError,
    TrainingSet,
    balance_classes,
    combine,
    fill_classes,
    mix_synthetic,
    weight_classes,
)
from ganaug.evaluation.trial import Trial
from ganaug.evaluation.verdict import choose_share

__all__ = [
    "ALTERATIONS",
    "BASELINES",
    "CLASSIFIERS",
    "CNN",
    "Alteration",
    "Augmenter",
    "Classifier",
    "Comparison",
    "DrawnImages",
    "FeatureClassifier",
    "Fold",
    "FunctionClassifier",
    "Interval",
    "Method",
    "NotApplicableError",
    "Predictions",
    "Recipe",
    "ResNet18",
    "Resamples",
    "Scores",
    "SklearnClassifier",
    "TrainingMethod",
    "TrainingSet",
    "Trial",
    "adjust_logits",
    "balance_classes",
    "check_copies",
    "check_training_images",
    "choose_share",
    "classical_augmentation",
    "combine",
    "compute_scores",
    "estimate_log_prior",
    "fill_classes",
    "holm",
    "interval",
    "mix_synthetic",
    "n_training_steps",
    "proportion_interval",
    "resolve_classifier",
    "resolve_groups",
    "smote",
    "split_folds",
    "weight_classes",
    "write_recipe",
]
