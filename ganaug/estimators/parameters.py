"""Parameters of estimators as JSON: what a run folder and a model file record of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from sklearn.base import BaseEstimator, clone

from ganaug._runtime.python_values import as_python

Recipe = TypeVar("Recipe")
NOT_STORED = "not stored"  # key of the record of a user's object


@dataclass(frozen=True)
class NotStored:
    """Stands for a parameter of a loaded estimator that was an object of the user's own, which a file cannot hold."""

    description: str

    def __repr__(self) -> str:
        return f"<not stored: {self.description}>"


def as_json(value: object) -> Any:
    """Return a parameter as JSON can hold it.

    A nested estimator becomes a dict of its parameters, an object of the user's own `{"not stored": its class}`.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ganaug.estimators.parameters import as_json
    >>> as_json({"betas": (0.0, 0.99), "run_dir": Path("run")})
    {'betas': [0.0, 0.99], 'run_dir': 'run'}
    """
    value = as_python(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    if isinstance(value, Path | torch.device):
        return str(value)
    if isinstance(value, NotStored):
        return {NOT_STORED: value.description}
    if isinstance(value, BaseEstimator):
        return {name: as_json(item) for name, item in value.get_params(deep=False).items()}
    # by name only: pickle could store the object, but loading a pickle can run code
    kind = type(value)
    return {NOT_STORED: f"{kind.__module__}.{getattr(value, '__qualname__', kind.__qualname__)}"}


def from_json(value: Any) -> Any:
    """Return a parameter from its JSON form; lists become tuples, user's objects `NotStored`."""
    if isinstance(value, Mapping):
        if value.keys() == {NOT_STORED}:
            return NotStored(str(value[NOT_STORED]))
        return {name: from_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    return value


def copy_recipe(recipe: Recipe) -> Recipe:
    """Return a copy of a recipe, with Python numbers in place of NumPy's."""
    copy: Any = clone(recipe)
    params = {name: as_python(value) for name, value in copy.get_params(deep=False).items()}
    copied: Recipe = copy.set_params(**params)
    return copied


def is_fully_stored(value: object) -> bool:
    """Return whether the JSON form of a parameter says everything about it."""
    if isinstance(value, Mapping):
        return value.keys() != {NOT_STORED} and all(is_fully_stored(item) for item in value.values())
    return all(is_fully_stored(item) for item in value) if isinstance(value, list) else True


def check_stored(params: Mapping[str, object]) -> None:
    """Raise ValueError for a parameter that a model file does not hold, before it is used in a new fit."""
    for name, value in params.items():
        values = value if isinstance(value, list | tuple) else [value]
        missing = next((item for item in values if isinstance(item, NotStored)), None)
        if missing is not None:
            raise ValueError(
                f"{name} was an object of {missing.description}, which a model file does not hold. Pass it again "
                f"before you refit: set_params({name}=...)."
            )


class RecipeMixin(Generic[Recipe]):
    """Lets a search set `recipe__name` without passing a recipe first. Comes before `Trainable` among the bases."""

    recipe: Recipe | None
    _nested: ClassVar[dict[str, type]]  # "recipe" -> its class

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name; `deep` includes those of the recipe, as `recipe__name`."""
        params: dict[str, Any] = super().get_params(deep)  # type: ignore[misc]  # of BaseEstimator
        if deep and self.recipe is None:
            params |= {f"recipe__{name}": value for name, value in self._nested["recipe"]().get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name; `recipe__name` sets one of the recipe, which is created if there is none."""
        if self.recipe is None and "recipe" not in params and any(name.startswith("recipe__") for name in params):
            self.recipe = self._nested["recipe"]()
        super().set_params(**params)  # type: ignore[misc]  # of BaseEstimator
        return self

    @property
    def _recipe(self) -> Recipe:
        """The recipe, or one of defaults."""
        recipe: Recipe = self._nested["recipe"]() if self.recipe is None else self.recipe
        return recipe
