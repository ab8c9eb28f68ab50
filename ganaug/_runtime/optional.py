"""Optional libraries, imported where they are used."""

import os
from typing import Any

from ganaug.errors import DataError


def import_datasets() -> Any:
    """Import Hugging Face `datasets` in offline mode.

    Returns
    -------
    module
        `datasets`. An HF_HUB_OFFLINE that the user has set takes precedence.

    Raises
    ------
    DataError
        If `datasets` is not installed; the message holds the pip command.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import datasets  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise DataError('tar and Parquet files need the library datasets: pip install "ganaug[datasets]".') from error
    return datasets
