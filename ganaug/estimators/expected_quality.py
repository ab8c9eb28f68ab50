"""What quality of samples to expect of a fit: that of measured fits with images of about the same size.

The rows of `MEASURED` are results of ``python -m benchmarks.sample_quality``.
"""

import math
from dataclasses import dataclass

MAX_SIZE_RATIO = 1.5  # of the heights and widths that are compared
MIN_TIME_RATIO = 0.5  # a fit of less than this part of a measured one reaches less
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True)
class MeasuredFit:
    """The quality of samples after a fit of the default on a CPU, by judges that are independent of the generator.

    Attributes
    ----------
    data : str
        Name of the image set.
    side : int
        Height and width in pixels.
    n_channels, n_images : int
    core_seconds : float
        Seconds of training times cores.
    coverage : float
        Fraction of the real images near a sample, relative to that with real images as samples; mean over classes.
    label_accuracy : float or None
        How often a classifier of real images recognizes the class, relative to real images. None: not measured.
    """

    data: str
    side: int
    n_channels: int
    n_images: int
    core_seconds: float
    coverage: float
    label_accuracy: float | None = None


# up to 32 pixels with "dcgan"; the default "dcgan-smooth" takes the same time and was better where both were measured
MEASURED = (
    MeasuredFit("Fashion-MNIST, long-tailed", 28, 1, 1401, 500, 0.84, 1.00),
    MeasuredFit("Fashion-MNIST, long-tailed", 28, 1, 1401, 1600, 0.95, 1.03),
    MeasuredFit("CIFAR-10, long-tailed", 32, 3, 1703, 800, 0.91, 0.98),
    MeasuredFit("skin photographs", 64, 3, 2992, 250, 0.60),
)


def describe_expectation(shape: tuple[int, int, int], core_seconds: float) -> str | None:
    """Describe the measured fit whose images and training time are nearest.

    Parameters
    ----------
    shape : tuple of int
        (C, H, W) of the images.
    core_seconds : float
        Seconds of training times cores of the CPU.

    Returns
    -------
    str or None
        None if no fit was measured with images of about this size and as many channels.

    Examples
    --------
    >>> from ganaug.estimators.expected_quality import describe_expectation
    >>> print(describe_expectation((1, 28, 28), core_seconds=600))
    coverage about 0.84 of that of real images, label accuracy about 1.00 of theirs: measured on Fashion-MNIST,
    long-tailed (28x28, 1,401 images) after 8 minutes of one core, and yours is 10
    """
    n_channels, height, width = shape
    side = math.sqrt(height * width)
    similar = [
        fit
        for fit in MEASURED
        if fit.n_channels == n_channels and max(side / fit.side, fit.side / side) <= MAX_SIZE_RATIO
    ]
    if not similar or core_seconds <= 0:
        return None
    # ratios of times matter, not differences
    nearest = min(similar, key=lambda fit: abs(math.log(fit.core_seconds / core_seconds)))
    is_shorter = core_seconds < nearest.core_seconds * MIN_TIME_RATIO
    word, accuracy = "below" if is_shorter else "about", ""
    if nearest.label_accuracy is not None:
        accuracy = f", label accuracy {word} {nearest.label_accuracy:.2f} of theirs"
    minutes, yours = (round(seconds / SECONDS_PER_MINUTE) for seconds in (nearest.core_seconds, core_seconds))
    return (
        f"coverage {word} {nearest.coverage:.2f} of that of real images{accuracy}: measured on {nearest.data} "
        f"({nearest.side}x{nearest.side}, {nearest.n_images:,} images) after {minutes} minutes of one core, and yours "
        f"is {yours}"
    )
