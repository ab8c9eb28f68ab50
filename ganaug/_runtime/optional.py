"""Optional libraries, imported where they are used."""

import os
from typing import Any

from ganaug.errors import DataError


def import_datasets() -> Any:
    """`datasets`, told to ask no network. Raises DataError where it is not installed."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        import datasets  # type: ignore[import-untyped,unused-ignore]
    except ImportError as error:
        raise DataError('tar and Parquet files are read by datasets: pip install "ganaug[datasets]".') from error
    return datasets
