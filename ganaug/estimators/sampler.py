"""What every over-sampler shares: how images and labels come in, in any form, and what scikit-learn asks of it."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from imblearn.utils._validation import ArraysTransformer
from sklearn.preprocessing import label_binarize
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data
from torch import Tensor
from torch.utils.data import Dataset

from ganaug.data.convert import Adopted, adopt, are_paths, is_hugging_face
from ganaug.data.strategy import Strategy, to_generate
from ganaug.estimators import base
from ganaug.images import LabelledImages


class Sampler(BaseOverSampler, ABC):  # type: ignore[misc]
    """The part of GANAugmenter and ClassTranslator that is the same. Abstract."""

    sampling_strategy: Strategy
    image_shape: Any
    run_dir: str | Path | None
    random_state: int | np.random.RandomState | None

    @abstractmethod
    def _check_params(self) -> None:
        """Raise ValueError that names the first parameter which cannot be used."""

    def _adopt(self, X: Any, y: Any) -> Adopted:
        self._check_params()
        given = isinstance(X, LabelledImages | Dataset | Tensor | str | Path) or is_hugging_face(X)
        is_images = given or are_paths(X) or getattr(X, "ndim", 2) in (3, 4)
        if is_images:
            adopted = adopt(X, y, image_shape=self.image_shape)
            self.n_features_in_ = int(np.prod(adopted.images.shape))
            return adopted
        return self._adopt_table(X, y)

    def _adopt_table(self, X: Any, y: Any) -> Adopted:
        """Rows of numbers, checked and given back as imbalanced-learn does."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        check_classification_targets(y)
        transformer = ArraysTransformer(X, y)
        values, one_vs_all = check_target_type(y, indicate_one_vs_all=True)
        array, values = validate_data(self, X, values, dtype="numeric")
        adopted = adopt(array, values, image_shape=self.image_shape)

        def append(synthetic: LabelledImages) -> tuple[Any, Any]:
            both, labels = adopted.append(synthetic)
            labels = label_binarize(labels, classes=np.unique(values)) if one_vs_all else labels
            given: tuple[Any, Any] = transformer.transform(both, labels)
            return given

        return Adopted(adopted.images, adopted.class_values, append)

    def plan_counts(self, images: LabelledImages) -> dict[str, int]:
        """Class name -> how many images `sampling_strategy` asks to add to `images`; only classes that get some."""
        names = np.asarray(images.classes, dtype=object)
        resolved = to_generate(self.sampling_strategy, names[images.labels.numpy()], names, images.classes)
        return {images.classes[index]: count for index, count in resolved.items()}

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _seed(self, resume: bool) -> int:
        if resume:
            if self.run_dir is None:
                raise ValueError("resume goes on with the run in run_dir; give it a run_dir.")
            return base.stored_seed(Path(self.run_dir), self.random_state)
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _described(self) -> dict[str, Any]:
        """The parameters as JSON can hold them; an object of the user's own as null."""
        return {name: base.as_json(value) for name, value in self.get_params(deep=False).items()}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        tags.non_deterministic = False
        return tags
