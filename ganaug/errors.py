"""Exceptions of ganaug. Each message names the value received, what was expected, and how to fix it.

All derive from `GanaugError` and from the closest built-in exception.
"""


class GanaugError(Exception):
    """Base class of all exceptions that ganaug raises on purpose. The command line prints it and exits with status 1.

    Examples
    --------
    >>> from ganaug import GANAugmenter
    >>> from ganaug.errors import GanaugError
    >>> try:
    ...     GANAugmenter.load("no-such-folder")
    ... except GanaugError as error:
    ...     print(type(error).__name__)
    RunError
    """


class DataError(GanaugError, ValueError):
    """Images, labels or a data folder cannot be used as they are.

    Examples
    --------
    >>> import torch
    >>> from ganaug import LabeledImages
    >>> images = torch.zeros(2, 1, 8, 8)
    >>> LabeledImages(images, torch.tensor([0, 1]), ("cat", "dog"))
    Traceback (most recent call last):
    ...
    ganaug.errors.DataError: images must be uint8 of shape (N, C, H, W); got torch.float32, (2, 1, 8, 8).
    """


class OutputError(GanaugError, OSError):
    """An output file or folder cannot be written, or would overwrite something.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import torch
    >>> from ganaug import LabeledImages, write_folder
    >>> images = LabeledImages(torch.zeros(1, 1, 8, 8, dtype=torch.uint8), torch.tensor([0]), ("cat",))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "notes.txt").write_text("already here")
    ...     write_folder(images, folder)
    Traceback (most recent call last):
    ...
    ganaug.errors.OutputError: ...
    """


class RunError(GanaugError, RuntimeError):
    """A run or model folder is missing, damaged, in use, or does not match the data or parameters.

    Also raised if several processes cannot train together.

    Examples
    --------
    >>> from ganaug import GANAugmenter
    >>> GANAugmenter.load("no-such-folder")
    Traceback (most recent call last):
    ...
    ganaug.errors.RunError: ...
    """


class TrainingError(GanaugError, RuntimeError):
    """Training cannot continue, even after a return to an earlier checkpoint.

    Examples
    --------
    >>> from ganaug.errors import TrainingError
    >>> issubclass(TrainingError, RuntimeError)
    True
    """


class RunInterruptedError(RunError):
    """A callback or a signal interrupted a fit. The run is saved and can be resumed.

    Examples
    --------
    >>> from ganaug.errors import RunError, RunInterruptedError
    >>> issubclass(RunInterruptedError, RunError)
    True
    """


class TrainingWarning(UserWarning):
    """A fit has a problem that affects its result: training collapsed, or a class was not learned.

    Examples
    --------
    >>> import warnings
    >>> from ganaug.errors import TrainingWarning
    >>> def fit_strictly(gan, images):
    ...     with warnings.catch_warnings():
    ...         warnings.simplefilter("error", TrainingWarning)
    ...         return gan.fit(images)
    """


class ClassNotLearnedError(GanaugError, ValueError):
    """Samples of a class were requested, and too few samples of this class pass the filters.

    Examples
    --------
    >>> from ganaug.errors import ClassNotLearnedError
    >>> def sample_learned_classes(gan, counts):
    ...     try:
    ...         return gan.sample(counts)
    ...     except ClassNotLearnedError:
    ...         return gan.sample({name: n for name, n in counts.items() if name not in gan.unlearned_classes_})
    """
