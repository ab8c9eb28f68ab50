"""GANAugmenter: fits a conditional GAN to labeled images, samples its classes, and fills them up."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from ganaug._compat import SAMPLING_STRATEGY_CONSTRAINTS, Interval, StrOptions, validate_parameters
from ganaug._runtime.library_defaults import library_defaults
from ganaug._runtime.lookup import lookup, split_names
from ganaug._runtime.progress import logger
from ganaug._runtime.storage import digest
from ganaug.datasets.cells import Cells, group_images
from ganaug.datasets.converted import ConvertedData
from ganaug.datasets.holdout import split_validation
from ganaug.estimators.adversarial_networks import GeneratorSetup, make_setup
from ganaug.estimators.evaluators import GeneratorEvaluator
from ganaug.estimators.fitting import (
    FitContext,
    FitResult,
    check_params_restored,
    load_estimator,
    load_or_train_auxiliary_classifier,
)
from ganaug.estimators.parameters import RecipeMixin, as_json, from_json
from ganaug.estimators.plan import Plan, make_plan
from ganaug.estimators.sampler import OverSampler
from ganaug.estimators.sampler_data import SamplerData, check_trainable
from ganaug.estimators.smallest_budget import check_in_processes, smallest_time_budget
from ganaug.estimators.starting_weights import StartingWeights
from ganaug.estimators.unlabeled import collect_unlabeled, describe_files, read_unlabeled
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.resizing import SizeLike
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks import NETWORKS, Network
from ganaug.models.networks.factors import merge_factors
from ganaug.sampling.filters import filter_names
from ganaug.sampling.generator_model import GeneratorModel, Latent
from ganaug.sampling.model_files import model_folder
from ganaug.sampling.strategy import BALANCE_CELLS, Strategy
from ganaug.training.engine import resolve_device
from ganaug.training.recipe import TrainingRecipe

DISCRIMINATOR = "discriminator"  # in a model file


class GANAugmenter(RecipeMixin[TrainingRecipe], OverSampler[GeneratorSetup]):
    """A conditional GAN as an over-sampler of imbalanced-learn.

    It fits a generator to labeled images and draws as many images of each class as requested. Samples that nearly copy
    a training image or do not look like their class are redrawn.

    Parameters
    ----------
    network : str or Network, default="auto"
        "dcgan", "dcgan-smooth", "dcgan-halved", "resnet", "resnet-plain" or "mlp", the keys of
        `ganaug.models.NETWORKS`. "auto": "dcgan-smooth" for images of up to 32 pixels, "dcgan-halved" for larger ones,
        and "mlp" for plain vectors.
    loss : {"hinge", "lsgan", "non-saturating", "relativistic", "vanilla", "wgan", "wgan-gp"} or AdversarialLoss
        Adversarial loss, "hinge" by default.
    sampling_strategy : str, float, dict or callable, default="auto"
        How many images `fit_resample` adds, in every form of imbalanced-learn. A dict holds final counts by class value
        or class name. "balance-cells": every cell of `condition_on` gets as many images as the largest cell of its
        class.
    condition_on : str or sequence of str, optional
        Columns of the metadata, such as "attr_sex", as a list or joined by commas. The generator is conditioned on the
        class and on their values, and each combination, a *cell*, can be sampled. The weights of a cell are sums of
        those of its class and of its values, so a cell with few images, or none, is composed of cells that have many.
        Missing values are allowed.
    init_from : path, optional
        Run or model folder of another GANAugmenter whose weights this fit starts from. Its classes may be others, in
        any number: a class of the same name starts from that one, a new class from the mean of all. Network, width and
        latent size are those of the other fit, and images must have its shape. Optimizers start anew.
    unlabeled : path or LabeledImages, optional
        Further images without a class: a folder, of which every image below it is used, or images whose labels do not
        count. In a y of numbers, -1 marks such images, as in scikit-learn. They train the part of the discriminator
        that does not depend on the class, and get the size and channels of the labeled images.
    image_shape : (H, W) or (H, W, C), optional
        Shape of the images in the rows of a 2-D X. Without it the rows are plain vectors.
    image_size : int or tuple, optional
        Size, (height, width) or (height, width, aspect), that images are resized to, antialiased. Files and items of a
        data set may then have different sizes. Synthetic images have this size. None: the size of the images.
    n_steps : int, optional
        Training steps, which are updates of the discriminator. None: until `time_budget` ends, or as planned from the
        number of images.
    time_budget : float, optional
        Seconds after which training ends.
    batch_size : int, optional
        Real images in a step. None: planned.
    augmentation : {"auto"}, str, sequence or None, default="auto"
        Differentiable augmentations of what the discriminator sees, in order: names joined by commas out of
        "translation", "cutout", "color", "flip", or callables (images, torch.Generator) -> images. "auto": planned.
    filters : str, sequence or None, default="copies,label"
        What samples must pass. "copies" rejects near-copies of training images. "label" rejects what a classifier of
        the real images does not recognize as its class.
    validation_fraction : float, default=0.1
        Fraction of each class that training does not see, if it amounts to ten images. Scores and filters use it.
    patience : int, "auto" or None, default="auto"
        Checks without a better score after which training stops. None: never.
    run_dir : path, optional
        Folder for config.json, history.csv, losses.png, previews/, checkpoints/ and model/.
        A folder holds one run. Where scikit-learn clones an estimator (`cross_val_score`, `GridSearchCV`, a Pipeline in
        them), each fit of a clone writes a run into a new subfolder `fit-<digest of data and parameters>`, see
        `run_dir_`; `resume` of a clone continues the latest with the same data and parameters. A clone for which
        `set_params(run_dir=...)` is called writes into that folder itself.
    device : str or torch.device, default="auto"
        "auto", "cpu", "cuda", "cuda:1" or "mps".
    verbose : int, default=0
        1: show the plan, a progress bar and findings on stderr or in the notebook. The logger `ganaug` gets the same
        events in any case.
    random_state : int, RandomState or None, default=None
        Seed of weights, batches, latent vectors and augmentations.
    recipe : TrainingRecipe, optional
        Settings that most users leave as they are: learning rates, penalties, averaging. None: `TrainingRecipe()`.

    Attributes
    ----------
    classes_ : array of shape (K,)
        Class values, sorted.
    sampling_strategy_ : dict
        Class value -> number of images that `fit_resample` adds if the class is learned.
    model_ : GeneratorModel
        The generator of the best check.
    plan_ : Plan
        What was chosen where a parameter left it open, with reasons; `print(plan_)`.
    filter_report_ : DataFrame
        By class: samples of a trial, near-copies, mislabeled samples, pass rate, and whether the class is learned.
        Empty without filters.
    unlearned_classes_ : list of str
        Names of the classes that `sample` refuses.
    history_ : DataFrame
        A row for each check: losses, accuracy of the discriminator, gradient norm, score, diversity, findings.
    health_ : list of Finding
        Every symptom found, with its value, its threshold and the action taken.
    stop_reason_ : str
        Why training ended: "finished", "time budget", "interrupted", "no better score", or a symptom.
    n_steps_, best_step_ : int
        Steps done, and the step whose state is used.
    discriminator_ : dict of str to Tensor
        Weights of the discriminator of the best check, for `init_from`.
    training_images_ : Tensor of shape (N,)
        A hash of each training image, also of `init_from`. Evaluations refuse test images that were trained on.
    seconds_ : float
        Seconds of the fit, over all resumptions.
    seed_ : int
        Seed of the fit.
    run_dir_ : Path or None
        Folder of the run. None without `run_dir`, and for a loaded augmenter.
    data_ : dict
        Fingerprint, shape and class counts of the training images.
    n_features_in_ : int
        Numbers in an image: C * H * W.

    See Also
    --------
    ClassTranslator : Translates images of a common class into a rare one.
    AugmentedClassifier : Trains a classifier with as many synthetic images as help.

    Examples
    --------
    Two classes of noise, one of them rare, and a training run that is far too short to be useful:

    >>> import numpy as np
    >>> from ganaug import GANAugmenter, TrainingRecipe
    >>> X = np.random.default_rng(0).integers(0, 255, (30, 8, 8), dtype=np.uint8)
    >>> y = np.array(["common"] * 20 + ["rare"] * 10)
    >>> small = TrainingRecipe(width=4, latent_size=4)
    >>> gan = GANAugmenter(n_steps=2, filters=None, random_state=0, recipe=small).fit(X, y)
    >>> gan.sample({"rare": 3}).counts  # another call draws three other images
    {'common': 0, 'rare': 3}
    >>> X_resampled, y_resampled = gan.fit_resample(X, y)
    >>> X_resampled.shape
    (40, 8, 8)
    """

    model_: GeneratorModel
    _missing_labels = "use"
    _nested: ClassVar[dict[str, type]] = {"recipe": TrainingRecipe}

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "sampling_strategy": [*SAMPLING_STRATEGY_CONSTRAINTS, StrOptions({BALANCE_CELLS})],
        "condition_on": [str, list, tuple, None],
        "init_from": [str, Path, None],
        "unlabeled": [str, Path, LabeledImages, None],
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
        "patience": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "recipe": [TrainingRecipe, None],
    }

    def __init__(
        self,
        network: str | Network = "auto",
        loss: str | AdversarialLoss = "hinge",
        *,
        sampling_strategy: Strategy = "auto",
        condition_on: str | Sequence[str] | None = None,
        init_from: str | Path | None = None,
        unlabeled: str | Path | LabeledImages | None = None,
        image_shape: Sequence[int] | None = None,
        image_size: SizeLike | None = None,
        n_steps: int | None = None,
        time_budget: float | None = None,
        batch_size: int | None = None,
        augmentation: str | Sequence[str | augment.Augmentation] | None = "auto",
        filters: str | Sequence[str] | None = "copies,label",
        validation_fraction: float = 0.1,
        patience: int | str | None = "auto",
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        verbose: int | bool = 0,
        random_state: int | np.random.RandomState | None = None,
        recipe: TrainingRecipe | None = None,
    ) -> None:
        self.network = network
        self.loss = loss
        self.sampling_strategy = sampling_strategy
        self.condition_on = condition_on
        self.init_from = init_from
        self.unlabeled = unlabeled
        self.image_shape = image_shape
        self.image_size = image_size
        self.n_steps = n_steps
        self.time_budget = time_budget
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.filters = filters
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.run_dir = run_dir
        self.device = device
        self.verbose = verbose
        self.random_state = random_state
        self.recipe = recipe

    def sample(
        self,
        counts: int | Mapping[Any, int],
        *,
        random_state: int | None = None,
        start: int | None = None,
        batch_size: int | None = None,
        latent_std: float | None = None,
        truncation: float | None = None,
        filtered: bool = True,
    ) -> LabeledImages:
        """Draw exactly the requested number of images.

        Each class has an endless sequence of images. A call continues where the call before it ended, in each class by
        itself. Threads may call this method of one augmenter at the same time; no two get the same images.

        Parameters
        ----------
        counts : int or dict
            Images by class value or class name, or a total that is split evenly among the learned classes. With
            `condition_on` also by cell, a tuple (class, value of each attribute); images of a class are then
            distributed over its cells as the real ones are.
        random_state : int, optional
            Seed of the sequences. None: the seed of the fit. Image i of a class depends on the seed, the class and i
            alone.
        start : int, optional
            Index of the first image in the sequence of its class. None: continue, or 0 if `random_state` is given. A
            call with `start` or `random_state` always returns the same images, and the call after it continues as if
            it had not happened. `fit`, `resume` and `load` begin at 0; a copy continues by itself.
        batch_size : int, optional
            Images in a forward pass, on an accelerator.
        latent_std, truncation : float, optional
            Override those of the recipe.
        filtered : bool, default=True
            Whether rejected samples are redrawn.

        Returns
        -------
        LabeledImages
            With a row of provenance for each image in `metadata`.

        Raises
        ------
        ValueError
            If a class is unknown.
        ClassNotLearnedError
            If too few samples of a class pass the filters.
        NotFittedError
            Before `fit`.
        """
        options = {"batch_size": batch_size, "latent_std": latent_std, "truncation": truncation}
        return self._draw(counts, random_state, start, filtered=filtered, **options)

    @library_defaults()
    def plan(self, X: Any, y: Any = None) -> Plan:
        """Return what `fit` would choose for this data where a parameter leaves it open. Trains nothing.

        Examples
        --------
        >>> from ganaug import GANAugmenter
        >>> from ganaug.datasets.embedded import fashion_mnist_lt
        >>> GANAugmenter(time_budget=60).plan(fashion_mnist_lt()).batch_size
        64
        """
        images = self._convert(X, y).images
        check_trainable(images)
        images = group_images(images, self.cells_of(images))
        seed = int(self.random_state) if isinstance(self.random_state, int | np.integer) else 0
        train, validation = split_validation(images, self.validation_fraction, seed=seed)
        return self._plan(train, validation, resolve_device(self.device), self._load_start())

    @classmethod
    def load(
        cls, folder: str | Path, device: str | torch.device = "auto", network: Network | None = None
    ) -> "GANAugmenter":
        """Return the fitted augmenter in a model folder or a run folder.

        Every fitted attribute is restored.

        Parameters
        ----------
        folder : path
            What `save` wrote, or a run folder.
        device : str or torch.device, default="auto"
        network : Network, optional
            Needed if the augmenter was fitted with an object of your own.

        Raises
        ------
        RunError
            If a file is missing, damaged, altered or of another format.
        """
        path = model_folder(folder)
        augmenter = load_estimator(cls, GeneratorModel, path, device, kinds=(GeneratorModel.kind,), network=network)
        if network is not None:
            augmenter.set_params(network=network)
        loaded: GANAugmenter = augmenter
        return loaded

    def _sampling_settings(self) -> str:
        filters = None if self.model_.filters is None else digest(self.model_.filters.tree())
        latent = self._latent(None, None)
        return f"{filters} {latent.std} {latent.truncation}"

    def _check_params(self) -> None:
        check_params_restored(self)
        validate_parameters(self)
        lookup(LOSSES, self.loss, "loss")
        if self.network != "auto":
            lookup(NETWORKS, self.network, "network")
        if self.augmentation != "auto":
            augment.resolve_augmentations(self.augmentation)
        filter_names(self.filters)
        self._recipe.check()
        resolve_device(self.device)

    def _prepare(self, converted: ConvertedData) -> SamplerData:
        data, sources = super()._prepare(converted), (self.unlabeled, converted.unlabeled)
        return replace(data, unlabeled=collect_unlabeled(*sources, data.images, self.image_size))

    def _plan(
        self,
        train: LabeledImages,
        validation: LabeledImages,
        device: torch.device,
        start: StartingWeights | None,
        stored: Mapping[str, Any] | None = None,
    ) -> Plan:
        params = {**self.get_params(deep=False), "recipe": self._recipe}
        if start is not None:
            params |= start.fixed_params(params, train.shape)
        plan = make_plan(train, validation, device, params, stored)
        return plan if start is None else start.explain(plan)

    def _load_start(self) -> StartingWeights | None:
        """Return the weights that `init_from` names."""
        if self.init_from is None:
            return None
        network = None if isinstance(self.network, str) else self.network
        other = GANAugmenter.load(self.init_from, "cpu", network)
        return StartingWeights(other.model_, other.discriminator_, other.plan_.recipe, other.training_images_)

    def cache_key(self) -> str | None:
        """Return a string of everything that samples depend on except the training images; None if it is unknown."""
        key = super().cache_key()
        if key is None or hasattr(self, "model_"):
            return key
        start, files = self._load_start(), None if self.unlabeled is None else describe_files(self.unlabeled)
        return " ".join(filter(None, [key, None if start is None else start.model.hash(), files]))

    def other_training_images(self, images: LabeledImages) -> torch.Tensor | None:
        """Return hashes (N,) of the images of `init_from` and `unlabeled`, the latter in the form of `images`."""
        check_params_restored(self)
        start = self._load_start()
        hashes = [] if start is None else [start.training_images]
        if self.unlabeled is not None:
            hashes.append(image_hashes(read_unlabeled(self.unlabeled, images.shape, self.image_size)))
        return torch.cat(hashes) if hashes else None

    def cells_of(self, images: LabeledImages) -> Cells | None:
        """Return the combinations of classes and values of `condition_on`; None without `condition_on`."""
        columns = split_names(self.condition_on, "condition_on")
        return Cells.of(images, columns) if columns else None

    def smallest_time_budget(self, images: LabeledImages) -> float:
        """Return the smallest `time_budget`, in seconds, in which a fit to `images` makes sense; 0 if any does."""
        guided = self._recipe.guidance or self._recipe.pseudo_label_threshold is not None
        if "label" not in filter_names(self.filters) and not guided:
            return 0.0
        return smallest_time_budget(images, resolve_device(self.device), self.cells_of(images))

    def _latent(self, std: float | None, truncation: float | None) -> Latent:
        recipe = self._recipe
        return Latent(
            recipe.latent_std if std is None else std, recipe.truncation if truncation is None else truncation
        )

    def _drawing_options(
        self,
        random_state: int | None,
        *,
        batch_size: int | None = None,
        latent_std: float | None = None,
        truncation: float | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        return {
            **super()._drawing_options(random_state, **options),
            "batch_size": batch_size,
            "latent": self._latent(latent_std, truncation),
        }

    def _set_up(
        self, data: SamplerData, seed: int, device: torch.device, stored_recipe: Mapping[str, Any]
    ) -> GeneratorSetup:
        if self.time_budget is not None and self._checks_time_budget and not stored_recipe:
            check_in_processes(self.time_budget, lambda: self.smallest_time_budget(data.images), device)
        train, validation = split_validation(data.groups, self.validation_fraction, seed=seed)
        start = self._load_start()
        plan = self._plan(train, validation, device, start, stored_recipe)
        logger.info("Plan:\n%s", plan)
        return make_setup(train, validation, plan, self.loss, device, seed, data=data, start=start)

    def _train(self, data: SamplerData, setup: GeneratorSetup, context: FitContext) -> FitResult:
        train, validation, plan, step = setup.train, setup.validation, setup.plan, setup.step
        names, processes = filter_names(self.filters), context.processes
        if "label" in names or plan.recipe.guidance or setup.assigns_classes(data):
            step.auxiliary_classifier = load_or_train_auxiliary_classifier(context, train, validation, data.design)
        model = setup.model(data, context.seed, names)
        evaluator = GeneratorEvaluator(train, validation, model.draw, step.auxiliary_classifier, seed=context.seed)
        batches = setup.batches(
            data, seed=context.seed, device=context.device, rank=processes.rank, world_size=processes.world_size
        )
        logger.info("Training the generator on %s images.", f"{len(train):,}")
        run = self._train_networks(
            context,
            step=step,
            batches=batches,
            evaluate=evaluator,
            picture=evaluator.picture,
            batch_size=plan.batch_size,
            check_every=plan.recipe.check_every,
            n_steps=plan.n_steps,
            patience=plan.patience,
        )
        merge_factors(model.generator)
        if model.filters is not None:
            logger.info("Drawing samples of each class to measure what the filters reject.")
        return FitResult(
            model=model.with_filter_stats(self._latent(None, None)),
            history=self.history_,
            health=self.health_,
            stop_reason=run.stop_reason,
            n_steps=run.done,
            best_step=run.best_step,
            seconds=run.seconds,
            summary=run.summary(),
            extra={**self._attributes_of(data), "plan_": plan, **setup.trained_attributes(data)},
        )

    def _extra_attributes_as_json(self) -> dict[str, object]:
        plan = {name: as_json(value) for name, value in vars(self.plan_).items()}
        return {**super()._extra_attributes_as_json(), "plan": plan}

    def _extra_tensors(self) -> dict[str, object]:
        return {**super()._extra_tensors(), DISCRIMINATOR: self.discriminator_}

    def _restore_extra_attributes(self, fitted: Mapping[str, Any], tensors: Any) -> None:
        super()._restore_extra_attributes(fitted, tensors)
        plan = {name: from_json(value) for name, value in fitted["plan"].items()}
        self.discriminator_ = dict(tensors.get(DISCRIMINATOR) or {})
        self.plan_ = Plan(**{**plan, "recipe": TrainingRecipe(**plan["recipe"])})
