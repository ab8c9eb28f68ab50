"""Numbers of NumPy as numbers of Python: arithmetic with the former overflows, and JSON cannot hold them."""

from typing import Any

import numpy as np


def as_python(value: Any) -> Any:
    """Return a NumPy scalar as a Python value, also inside lists and tuples; other values as they are.

    Examples
    --------
    >>> import numpy as np
    >>> from ganaug._runtime.python_values import as_python
    >>> as_python(np.int64(3)), as_python((np.float64(0.5), "auto", np.bool_(True)))
    (3, (0.5, 'auto', True))
    """
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(map(as_python, value))
    return value
