"""The best training method of a report as text and as a program."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganaug.evaluation.baselines import BASELINES
from ganaug.evaluation.classifiers import CLASSIFIERS, FeatureClassifier
from ganaug.evaluation.methods import TrainingMethod, find_balance
from ganaug.evaluation.networks import CNN, ResNet18
from ganaug.images import LabeledImages

SAMPLES_PER_CLASS = 500


@dataclass(frozen=True)
class Recipe:
    """The best training method that was found, with or without synthetic images.

    Attributes
    ----------
    name : str
        Name of the method in the report.
    text : str
        What to do, in sentences.
    code : str
        The same as a Python program of about ten lines: from the folders DATA and TEST to the classes of the images in
        TEST. Replace the names of the folders by yours, and the generator, a GANAugmenter that is trained for ten
        minutes, by the one that was evaluated.

    Examples
    --------
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.evaluation import CLASSIFIERS, TrainingMethod, write_recipe
    >>> recipe = write_recipe(TrainingMethod("CutMix", balance=0.5), fashion_mnist_lt(), CLASSIFIERS["cnn"], tau=0.5)
    >>> recipe.name
    'CutMix, square-root balance, logit adjustment, tau 0.5'
    >>> print(recipe.code)
    from dataclasses import replace
    from ganaug import read_folder
    from ganaug.evaluation import CLASSIFIERS, adjust_logits, balance_classes, ...
    real, test = (read_folder(name, image_size=(28, 28)) for name in ("DATA", "TEST"))
    training = balance_classes(real, balance=0.5)
    training = replace(training, alteration="cutmix")
    predict = CLASSIFIERS["cnn"](training, classical_augmentation(real), seed=0)
    log_probabilities = adjust_logits(predict(test.images), estimate_log_prior(...), tau=0.5)
    classes = [real.classes[label] for label in log_probabilities.argmax(1)]
    """

    name: str
    text: str
    code: str


def write_recipe(
    method: TrainingMethod,
    real: LabeledImages,
    classifier: Any,
    *,
    tau: float = 0.0,
    class_shares: Mapping[str, float] | None = None,
) -> Recipe:
    """Write a training method as text and as a program.

    Parameters
    ----------
    method : TrainingMethod
        The method.
    real : LabeledImages
        Training images.
    classifier : Classifier
        What was trained.
    tau : float
        Strength of logit adjustment; 0 for none.
    class_shares : dict of str to float, optional
        Synthetic share of each class, in place of the share of the method in all of them.

    Returns
    -------
    Recipe

    Examples
    --------
    >>> from ganaug.datasets.embedded import fashion_mnist_lt
    >>> from ganaug.evaluation import CLASSIFIERS, TrainingMethod, write_recipe
    >>> write_recipe(TrainingMethod("mixup", balance=0.5), fashion_mnist_lt(), CLASSIFIERS["cnn"]).name
    'mixup, square-root balance'
    """
    text = method.describe()
    if tau:
        text += f" Then subtract {tau:g} times the log prior of each class from the logits (logit adjustment)."
    without = [name for name, share in (class_shares or {}).items() if not share]
    if method.share and without:
        text += (
            f" Use no synthetic images of {', '.join(without)}: classifiers of the real images do not recognize them."
        )
    name = f"{method.name}, logit adjustment, tau {tau:g}" if tau else method.name
    return Recipe(name, text, _write_code(method, real, classifier, tau, class_shares))


def _write_code(
    method: TrainingMethod, real: LabeledImages, classifier: Any, tau: float, class_shares: Mapping[str, float] | None
) -> str:
    """The program of `Recipe.code`."""
    training, functions = _training_lines(method, real, class_shares)
    classifier_text, classifier_names = _classifier_text(classifier)
    functions |= {"classical_augmentation", *classifier_names}
    prediction = "predict(test.images)"
    if tau:
        functions |= {"adjust_logits", "estimate_log_prior"}
        prediction = f"adjust_logits({prediction}, estimate_log_prior(real.counts.values()), tau={tau:g})"
    classes = "GANAugmenter, read_folder" if method.share else "read_folder"
    return "\n".join(
        [
            *(["from dataclasses import replace"] if any("replace(" in line for line in training) else []),
            f"from ganaug import {classes}",
            f"from ganaug.evaluation import {', '.join(sorted(functions))}",
            f'real, test = (read_folder(name, image_size={real.shape[1:]}) for name in ("DATA", "TEST"))',
            *training,
            f"predict = {classifier_text}(training, classical_augmentation(real), seed=0)",
            f"log_probabilities = {prediction}",
            "classes = [real.classes[label] for label in log_probabilities.argmax(1)]",
        ]
    )


def _training_lines(
    method: TrainingMethod, real: LabeledImages, class_shares: Mapping[str, float] | None
) -> tuple[list[str], set[str]]:
    """The lines that make the training set, and the functions that they need."""
    base = BASELINES[method.base](real, 0)
    balance = method.balance if method.balance is not None else find_balance(base)
    changes: dict[str, Any] = {"length": base.length * method.length} if base.length * method.length != 1 else {}
    if balance is not None and base.alteration != "none":
        changes = {"alteration": base.alteration, **changes}
    if balance is None:
        lines, functions = [f"training = BASELINES[{_quote(method.base)}](real, 0)"], {"BASELINES"}
    elif method.share:
        shares = class_shares or dict.fromkeys(real.classes, method.share)
        is_same = len(set(shares.values())) == 1
        names, share = ("real.classes", f"{method.share:g}") if is_same else ("shares", "shares")
        lines = [] if is_same else [f"shares = { {name: share for name, share in shares.items() if share}!r}"]
        lines += [
            f"samples = dict.fromkeys({names}, {SAMPLES_PER_CLASS})",
            "synthetic = GANAugmenter(time_budget=600).fit(real).sample(samples)",
            f"training = mix_synthetic(real, synthetic, {share}, balance={balance:g})",
        ]
        functions = {"mix_synthetic"}
        if method.synthetic_first:
            changes["synthetic_first"] = True
    else:
        lines, functions = [f"training = balance_classes(real, balance={balance:g})"], {"balance_classes"}
    if changes:
        texts = [f"{name}={_quote(value)}" for name, value in changes.items()]
        lines.append(f"training = replace(training, {', '.join(texts)})")
    return lines, functions


def _quote(value: Any) -> str:
    """A value as Python text; texts in double quotes."""
    return json.dumps(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else repr(value)


def _classifier_text(classifier: Any) -> tuple[str, set[str]]:
    """Python text of the classifier, and the names that it needs."""
    for name, entry in CLASSIFIERS.items():
        if classifier == entry:
            return f'CLASSIFIERS["{name}"]', {"CLASSIFIERS"}
    if isinstance(classifier, CNN | FeatureClassifier | ResNet18):
        return repr(classifier), {type(classifier).__name__}
    return "resolve_classifier(your_classifier)", {"resolve_classifier"}
