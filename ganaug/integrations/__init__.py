"""Parts of ganaug that plug into other libraries, one module a library, imported on first use.

Modules
-------
albumentations
    `SyntheticSwap`, an Albumentations transform that replaces an image by a synthetic one of its class.
masks
    `edited_masks`, new label images for `Pix2Pix`, created by editing existing ones.

Examples
--------
>>> from ganaug import integrations
>>> integrations.__all__
['albumentations', 'masks']
>>> integrations.masks.edited_masks
<function edited_masks at ...>
"""

from importlib import import_module

__all__ = ["albumentations", "masks"]  # loaded by __getattr__


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'ganaug.integrations' has no module {name!r}. Modules: {', '.join(__all__)}.")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
