"""GANAugmenter: fit a conditional GAN to a labeled image set, sample its classes, or fill them up."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from ganaug._runtime.allocator import freed_memory_kept
from ganaug._runtime.lookup import lookup
from ganaug._runtime.randomness import derive, temporary_seed
from ganaug._runtime.storage import digest, read_tree, write_json, write_tree
from ganaug.datasets.convert import ConvertedData
from ganaug.datasets.holdout import split_validation
from ganaug.errors import DataError, RunError
from ganaug.estimators import base
from ganaug.estimators.plan import Plan, make_plan
from ganaug.estimators.progress import Evaluator
from ganaug.estimators.sampler import Sampler
from ganaug.images import LabeledImages, image_hashes
from ganaug.io.dataset_checks import MIN_IMAGE_SIZE
from ganaug.models import augmentations as augment
from ganaug.models.losses import LOSSES, AdversarialLoss
from ganaug.models.networks import NETWORKS, Network
from ganaug.models.networks.blocks import to_memory_format
from ganaug.models.penalties import Penalty, penalties
from ganaug.sampling.filters import filter_names, make_filters
from ganaug.sampling.generator_model import GeneratorModel, Latent
from ganaug.sampling.shards import Shard
from ganaug.sampling.strategy import Strategy, counts_for, to_generate
from ganaug.training.auxiliary_classifier import AuxiliaryClassifier
from ganaug.training.batches import BalancedBatches
from ganaug.training.engine import device_for, precision_for
from ganaug.training.loop import Callback
from ganaug.training.processes import Processes, processes_on
from ganaug.training.run import Run, time_budget
from ganaug.training.steps import AdversarialStep, Recipe

TRAINING_IMAGES = "training_images.safetensors"


class GANAugmenter(Sampler):
    """A conditional GAN as an imbalanced-learn over-sampler: `fit`, `sample`, `fit_resample`, `save`, `load`, `resume`.

    Parameters
    ----------
    network : {"auto", "dcgan", "dcgan-shared-low", "mlp", "resnet", "resnet-plain"} or Network
        "auto" is "dcgan" for images and "mlp" for plain vectors.
    loss : {"hinge", "lsgan", "non-saturating", "relativistic", "vanilla", "wgan", "wgan-gp"} or AdversarialLoss
    sampling_strategy : str, float, dict or callable
        How many images `fit_resample` adds, in every form of imbalanced-learn; a dict holds final counts by class value
        or class name.
    image_shape : (H, W) or (H, W, C), optional
        Cuts the rows of a 2-D X into images. Without it they are plain vectors.
    n_steps : int, optional
        Training steps (updates of the discriminator). None: by the time budget, or as planned for so many images.
    time_budget : float, optional
        Seconds after which training ends, at the end of a step.
    batch_size : int, optional
        Real images a step. None: as planned.
    latent_size : int
        Numbers a sample is made from.
    width : int, optional
        Channels of the widest-resolution layers. None: as planned.
    generator_lr, discriminator_lr : float
        Learning rates of Adam.
    betas : (float, float)
        Adam's averaging of gradient and squared gradient.
    augmentation : {"auto", names joined by commas}, sequence or None
        Differentiable augmentations in front of the discriminator, in order: "translation", "cutout", "color", "flip", or
        callables (images, torch.Generator) -> images. "auto": as planned.
    adaptive_augmentation : bool
        Let their strength follow the discriminator (ADA), from none upward.
    penalty : names joined by commas, sequence or None
        Beside the loss's own: "r1", "r2", "lazy-r1", "gradient-penalty", "lecam", "class-spectral", or Penalty objects.
    discriminator_norm : {"spectral", "batch", "none"}
        Normalization in the discriminator. "batch" is refused for the Wasserstein losses.
    sampling_power : float
        Real batches draw a class in proportion to this power of its count: 1 as they come, 0 all classes alike.
    ema_half_life : float, optional
        Half-life, in images, of the averaged generator that samples are drawn from; 0 keeps none. None: as planned.
    conditioning_ramp : (float, float), optional
        Images seen at which the class begins to count, and counts fully.
    class_noise : float
        Standard deviation of the noise on class gains in training, as a share of their spread; rare classes get more.
    guidance : float
        Weight of the generator's shortfall from what a classifier of the real images needs to recognize the class.
    lr_decay_images : float, optional
        Images over which the rates fall to `final_lr_ratio` of theirs, and scheduled penalties to their last weight.
    final_lr_ratio : float
        Share of the learning rates that is left at the end of the decay.
    validation_fraction : float
        Share of each class that training is not shown, where it comes to ten images: scores and filters go by it.
    patience : int, "auto" or None
        Checks without a better score after which training stops. None: never.
    filters : names joined by commas, sequence or None
        What samples must pass: "copies" takes away near-copies of training images, "label" what does not look like its
        class to a classifier of the real images. What is taken away is drawn anew.
    latent_std, truncation : float
        Standard deviation of latent vectors when sampling, and the number of deviations at which they are cut off.
    check_every : int
        Steps between checks of health and progress, each with a checkpoint and a preview.
    run_dir : path, optional
        Folder for config.json, history.csv, losses.png, previews/, checkpoints/ and model/.
    device : str or torch.device
        "auto", "cpu", "cuda", "cuda:1", "mps".
    precision : {"auto", "bf16", "fp32"}
        Of the convolutions in training; "auto" is bfloat16 where the processor multiplies in it. Samples are always
        drawn in float32.
    random_state : int, RandomState or None
        Seed of weights, batches, latent vectors and augmentations.

    Attributes
    ----------
    classes_ : (K,) array
        Class values, sorted.
    sampling_strategy_ : dict
        Class value -> number of images asked of `fit_resample`; it generates them for classes that are learned.
    model_ : GeneratorModel
        The trained generator of the best check.
    plan_ : Plan
        What was chosen where a parameter left it open, with reasons; print it.
    filter_report_ : DataFrame
        By class: of trial samples, how many were near-copies, were not recognized as their class, and passed; and
        whether the class counts as learned. Empty without filters.
    history_ : DataFrame
        A row a check: losses, discriminator's accuracy, gradient norm, score, diversity, findings.
    health_ : list of Finding
        Every symptom seen, with its value, its threshold and what was done.
    stop_reason_ : str
        Why training ended: "finished", "time budget", "interrupted", or a symptom.
    n_steps_, best_step_ : int
        Steps done, and the step whose state is kept.
    training_images_ : (N,) tensor
        A hash of each image given to `fit`, by which a test on images that were trained on is refused.
    seconds_ : float
        Time spent training, the auxiliary classifier's included, over all resumptions.
    n_features_in_ : int
        Numbers an image: C * H * W.
    """

    model_: GeneratorModel

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "sampling_strategy": BaseOverSampler._parameter_constraints["sampling_strategy"],  # noqa: SLF001  # scikit-learn's own way
        "n_steps": [Interval(Integral, 1, None, closed="left"), None],
        "time_budget": [Interval(Real, 0, None, closed="neither"), None],
        "batch_size": [Interval(Integral, 2, None, closed="left"), None],
        "latent_size": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left"), None],
        "generator_lr": [Interval(Real, 0, None, closed="neither")],
        "discriminator_lr": [Interval(Real, 0, None, closed="neither")],
        "discriminator_norm": [StrOptions({"spectral", "batch", "none"})],
        "sampling_power": [Interval(Real, 0, 1, closed="both")],
        "adaptive_augmentation": ["boolean"],
        "ema_half_life": [Interval(Real, 0, None, closed="left"), None],
        "class_noise": [Interval(Real, 0, None, closed="left")],
        "guidance": [Interval(Real, 0, None, closed="left")],
        "lr_decay_images": [Interval(Real, 0, None, closed="neither"), None],
        "final_lr_ratio": [Interval(Real, 0, 1, closed="both")],
        "validation_fraction": [Interval(Real, 0, 0.5, closed="both")],
        "patience": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"}), None],
        "latent_std": [Interval(Real, 0, None, closed="neither")],
        "truncation": [Interval(Real, 0, None, closed="neither"), None],
        "check_every": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        network: str | Network = "auto",
        loss: str | AdversarialLoss = "hinge",
        *,
        sampling_strategy: Strategy = "auto",
        image_shape: Sequence[int] | None = None,
        n_steps: int | None = None,
        time_budget: float | None = None,
        batch_size: int | None = None,
        latent_size: int = 64,
        width: int | None = None,
        generator_lr: float = 4e-4,
        discriminator_lr: float = 4e-4,
        betas: tuple[float, float] = (0.0, 0.99),
        augmentation: str | Sequence[str | augment.Policy] | None = "auto",
        discriminator_norm: str = "spectral",
        sampling_power: float = 0.0,
        penalty: str | Sequence[str | Penalty] | None = None,
        adaptive_augmentation: bool = False,
        ema_half_life: float | None = None,
        conditioning_ramp: tuple[float, float] | None = None,
        class_noise: float = 0.0,
        guidance: float = 0.0,
        lr_decay_images: float | None = None,
        final_lr_ratio: float = 1.0,
        validation_fraction: float = 0.1,
        patience: int | str | None = "auto",
        filters: str | Sequence[str] | None = "copies,label",
        latent_std: float = 1.0,
        truncation: float | None = None,
        check_every: int = 250,
        run_dir: str | Path | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.network = network
        self.loss = loss
        self.sampling_strategy = sampling_strategy
        self.image_shape = image_shape
        self.n_steps = n_steps
        self.time_budget = time_budget
        self.batch_size = batch_size
        self.latent_size = latent_size
        self.width = width
        self.generator_lr = generator_lr
        self.discriminator_lr = discriminator_lr
        self.betas = betas
        self.augmentation = augmentation
        self.discriminator_norm = discriminator_norm
        self.sampling_power = sampling_power
        self.penalty = penalty
        self.adaptive_augmentation = adaptive_augmentation
        self.ema_half_life = ema_half_life
        self.conditioning_ramp = conditioning_ramp
        self.class_noise = class_noise
        self.guidance = guidance
        self.lr_decay_images = lr_decay_images
        self.final_lr_ratio = final_lr_ratio
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.filters = filters
        self.latent_std = latent_std
        self.truncation = truncation
        self.check_every = check_every
        self.run_dir = run_dir
        self.device = device
        self.precision = precision
        self.random_state = random_state

    @property
    def _latent(self) -> Latent:
        return Latent(self.latent_std, self.truncation)

    def sample(
        self,
        counts: int | Mapping[Any, int],
        *,
        random_state: int | None = None,
        start: int = 0,
        batch_size: int | None = None,
        latent_std: float | None = None,
        truncation: float | None = None,
        filtered: bool = True,
    ) -> LabeledImages:
        """Exactly as many synthetic images as asked for, with a row of provenance each in `metadata`.

        counts: {class value or name: n}, or a total that is shared out evenly.
        random_state: another seed than the fit's. The same seed gives the same images, whatever else is asked for.
        start: place in each class's stream of images to begin at; `start=n` goes on where a call for n images ended.
        latent_std, truncation: instead of the estimator's own. filtered: False gives the samples as they come.
        Threads may call it on one augmenter at once: what each gets is what it would get alone.
        Raises ValueError for an unknown class, ClassNotLearnedError for one whose samples do not pass the filters,
        NotFittedError before `fit`.
        """
        request, options = self._drawing(counts, random_state, latent_std, truncation)
        return self.model_.sample(request, start=start, batch_size=batch_size, filtered=filtered, **options)

    def sample_blocks(
        self,
        counts: int | Mapping[Any, int],
        *,
        shard: tuple[int, int] = (0, 1),
        block_size: int | None = None,
        random_state: int | None = None,
        start: int = 0,
        batch_size: int | None = None,
        latent_std: float | None = None,
        truncation: float | None = None,
        filtered: bool = True,
    ) -> Iterator[LabeledImages]:
        """What `sample` gives, block after block, so that memory does not grow with the number of images.

        shard: (i, n) for the i-th, from 0, of n parts, which can be drawn anywhere and together are the whole: of a
        class of c images those from c * i // n to c * (i + 1) // n. block_size: images; None: as many as take 16 MiB.
        """
        request, options = self._drawing(counts, random_state, latent_std, truncation)
        parts = {label: Shard(*shard).part(count) for label, count in request.items()}
        shifted = {label: range(part.start + start, part.stop + start) for label, part in parts.items()}
        return self.model_.blocks(shifted, size=block_size, batch_size=batch_size, filtered=filtered, **options)

    def _drawing(
        self, counts: int | Mapping[Any, int], seed: int | None, std: float | None, truncation: float | None
    ) -> tuple[dict[int, int], dict[str, Any]]:
        """What is asked for, checked, as the model takes it."""
        check_is_fitted(self, "model_")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer)):
            raise TypeError(f"random_state of sample must be a whole number or None; got {seed!r}.")
        request = counts_for(counts, self.model_.class_values, self.model_.classes)
        own = Latent(self.latent_std if std is None else std, self.truncation if truncation is None else truncation)
        return request, {"seed": seed, "latent": own}

    def plan(self, X: Any, y: Any = None) -> Plan:
        """What `fit` would choose for this data where a parameter leaves it open, with reasons. Trains nothing."""
        images = self._convert(X, y).images
        base.check_trainable(images)
        seed = int(self.random_state) if isinstance(self.random_state, int | np.integer) else 0
        train, validation = split_validation(images, self.validation_fraction, seed=seed)
        return make_plan(train, validation, device_for(self.device), self.get_params(deep=False))

    def cache_key(self) -> str | None:
        """Names all that samples depend on beside the training images; None where an object of your own has no name."""
        if hasattr(self, "model_"):
            filters = None if self.model_.filters is None else digest(self.model_.filters.tree())
            return f"fitted {self.model_.hash()} {filters} {self.latent_std} {self.truncation}"
        params = {name: value for name, value in self.get_params(deep=False).items() if name != "run_dir"}
        if not base.is_plain(params) or not isinstance(self.random_state, int | np.integer):
            return None
        return json.dumps({name: base.as_json(value) for name, value in params.items()}, sort_keys=True)

    def save(self, folder: str | Path) -> None:
        """Write the generator as safetensors + JSON into `folder`. Loads on any device, and can run no code."""
        check_is_fitted(self, "model_")
        self.model_.save(Path(folder), {"params": self._described(), "data": self.data_})
        write_tree(Path(folder) / TRAINING_IMAGES, {"hashes": self.training_images_})

    @classmethod
    def load(
        cls, folder: str | Path, device: str | torch.device = "auto", network: Network | None = None
    ) -> "GANAugmenter":
        """A fitted augmenter from what `save` wrote, or from a run folder. Raises RunError that names what is wrong.

        network: needed only where the augmenter was fitted with a Network object of your own.
        """
        where = Path(folder)
        where = where / "model" if (where / "model" / "model.json").exists() else where
        model, about = GeneratorModel.load(where, device_for(device), network)
        known = {name: value for name, value in about["params"].items() if name in cls._get_param_names()}
        known = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
        for name in ("network", "loss", "sampling_strategy"):
            if known.get(name) is None:  # an object of the user's own, which is not stored
                known.pop(name, None)
        own = {} if network is None else {"network": network}
        augmenter = cls(**{**known, **own, "run_dir": None, "device": device})
        augmenter.model_, augmenter.data_ = model, about["data"]
        augmenter.classes_, augmenter.seed_ = model.class_values, model.seed
        augmenter.n_features_in_ = int(np.prod(model.shape))
        hashes = read_tree(where / TRAINING_IMAGES).get("hashes")
        if not isinstance(hashes, Tensor):
            raise RunError(f"{where / TRAINING_IMAGES}: holds no hashes. Use another checkpoint, or fit again.")
        augmenter.training_images_ = hashes
        return augmenter

    @freed_memory_kept()
    def _fit(self, converted: ConvertedData, callbacks: Sequence[Callback], *, resume: bool) -> None:
        images, classes = converted.images, converted.class_values
        base.check_trainable(images)
        wanted = to_generate(self.sampling_strategy, classes[images.labels.numpy()], classes, images.classes)
        hashes = image_hashes(images.images)
        data = {"fingerprint": images.fingerprint(hashes), "shape": list(images.shape), "counts": images.counts}
        began, budget = time.perf_counter(), [time_budget(self.time_budget)] if self.time_budget else []
        device = device_for(self.device)
        processes = processes_on(device)
        resume = resume and processes.from_first(lambda: not self._was_killed_at_once())
        seed = processes.from_first(lambda: self._seed(resume))
        train, validation = split_validation(images, self.validation_fraction, seed=seed)
        plan = make_plan(train, validation, device, self.get_params(deep=False))
        processes.check_shares(plan.batch_size)
        processes.check_same("images", data["fingerprint"])
        processes.check_same("parameters", (str(self._described()), str(plan)))
        step = self._step(train, plan, device, seed, processes)
        folder = None if self.run_dir is None or not processes.is_first else Path(self.run_dir)
        about = {"seed": seed, "params": {**self._described(), "precision": plan.precision}, "data": data}
        with base.run_folder(folder, about, resume=resume) if folder is not None else nullcontext():
            names = filter_names(self.filters)
            if "label" in names or self.guidance:
                tree = processes.from_first(
                    lambda: base.stored_auxiliary_classifier(
                        folder, train, validation, seed=seed, device=device, resume=resume
                    ).tree()
                )
                step.auxiliary_classifier = AuxiliaryClassifier.from_tree(tree, train.shape, len(train.classes), device)
            model = GeneratorModel(
                step.average.module,
                plan.network if isinstance(plan.network, str) else type(step.generator).__name__,
                images.shape,
                images.classes,
                classes,
                self.latent_size,
                plan.width,
                seed,
                make_filters(names, train, step.auxiliary_classifier),
            )
            evaluator = Evaluator(train, validation, model.draw, step.auxiliary_classifier, seed=seed)
            batches = BalancedBatches(
                train,
                plan.batch_size,
                seed=seed,
                power=self.sampling_power,
                device=device,
                part=processes.part,
                parts=processes.parts,
            )
            run = Run(
                step,
                batches,
                evaluator,
                evaluator.picture,
                plan.batch_size,
                self.check_every,
                folder,
                plan.patience,
                processes,
            )
            run.prepared = time.perf_counter() - began
            try:
                run.start(n_steps=plan.n_steps or sys.maxsize, callbacks=[*callbacks, *budget], resume=resume)
            finally:
                self.history_, self.health_ = pd.DataFrame(run.rows), run.findings
            run.restore_best()
            self.model_ = model.with_filter_stats(self._latent)
            self.plan_, self.data_, self.seed_, self.stop_reason_ = plan, data, seed, run.stop_reason
            self.classes_, self._to_generate = classes, wanted
            self.training_images_ = hashes
            self.sampling_strategy_ = {classes[index]: count for index, count in wanted.items()}
            self.n_steps_, self.best_step_, self.seconds_ = run.done, run.best_step, run.seconds
            if folder is not None:
                self.save(folder / "model")
                write_json(folder / "summary.json", run.summary())

    def _check_params(self) -> None:
        """Raise ValueError that names the first parameter which cannot be used."""
        self._validate_params()
        lookup(LOSSES, self.loss, "loss")
        if self.network != "auto":
            lookup(NETWORKS, self.network, "network")
        if self.augmentation != "auto":
            augment.policy(self.augmentation)
        penalties(self.penalty)
        filter_names(self.filters)
        precision_for(self.precision, device_for(self.device))
        betas = self.betas
        ramp = self.conditioning_ramp
        if ramp is not None and not (isinstance(ramp, Sequence) and len(ramp) == 2 and 0 <= ramp[0] < ramp[1]):
            raise ValueError(f"conditioning_ramp must be two numbers of images, 0 <= first < last; got {ramp!r}.")
        if not (isinstance(betas, Sequence) and len(betas) == 2 and all(_is_decay(beta) for beta in betas)):
            raise ValueError(f"betas must be two numbers in [0, 1); got {betas!r}.")

    def _step(
        self, images: LabeledImages, plan: Plan, device: torch.device, seed: int, processes: Processes
    ) -> AdversarialStep:
        """The networks and their training step."""
        pair = lookup(NETWORKS, plan.network, "network")
        if min(images.shape[1:]) < MIN_IMAGE_SIZE and plan.network in NETWORKS and plan.network != "mlp":
            raise DataError(
                f"images of {images.shape[1]}x{images.shape[2]} pixels are too small for network {plan.network!r}, "
                f"which needs {MIN_IMAGE_SIZE}x{MIN_IMAGE_SIZE}. Give image_shape if the rows are images, or use network='mlp'."
            )
        n_classes = len(images.classes)
        with temporary_seed(derive(seed, "weights")):
            generator = pair.generator(images.shape, n_classes, self.latent_size, plan.width)
            discriminator = pair.discriminator(images.shape, n_classes, plan.width, self.discriminator_norm)
        recipe = Recipe(
            loss=lookup(LOSSES, self.loss, "loss"),
            latent_size=self.latent_size,
            rates=(self.generator_lr, self.discriminator_lr),
            betas=self.betas,
            penalties=penalties(self.penalty),
            augmentations=augment.policy(plan.augmentation),
            adaptive=self.adaptive_augmentation,
            ema_half_life=plan.ema_half_life,
            conditioning_ramp=self.conditioning_ramp,
            class_noise=self.class_noise,
            guidance=self.guidance,
            precision=precision_for(plan.precision, device),
            lr_decay_images=self.lr_decay_images,
            final_lr_ratio=self.final_lr_ratio,
        )
        return AdversarialStep(
            to_memory_format(generator.to(device), images.shape),
            to_memory_format(discriminator.to(device), images.shape),
            recipe,
            torch.tensor(list(images.counts.values())),
            processes,
        )

    @property
    def filter_report_(self) -> pd.DataFrame:
        """By class, what the filters took of trial samples at the end of training."""
        check_is_fitted(self, "model_")
        rows = [
            {"class": self.model_.classes[label], **asdict(found), "yield": found.share, "learned": found.learned}
            for label, found in self.model_.filter_stats.items()
        ]
        return pd.DataFrame(rows, columns=["class", "drawn", "copies", "mislabeled", "yield", "learned"])


def _is_decay(number: object) -> bool:
    return isinstance(number, Real) and 0 <= float(number) < 1
