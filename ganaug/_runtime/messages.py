"""Warnings that point at the user's code."""

import contextlib
import sys
import warnings
from pathlib import Path

# decorated functions are called by contextlib, which is not the user's code either
SKIPPED = (str(Path(__file__).parents[1]), contextlib.__file__)


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn, with the first line outside of ganaug as the place of the warning.

    Examples
    --------
    >>> import warnings
    >>> from ganaug._runtime.messages import warn_user
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_user("few images")
    >>> str(caught[0].message)
    'few images'
    """
    depth, frame = 1, sys._getframe()  # noqa: SLF001  # the stack without the cost of inspect.stack()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(SKIPPED):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=depth)
