"""What a source of labeled images yields, whatever it is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from ganaug.errors import DataError
from ganaug.io.candidates import Problem
from ganaug.io.decoding import DecodedImage
from ganaug.io.items import DROP_HINT, Label, check_unlabeled, encode_labels, unlabeled_message


@dataclass(frozen=True)
class Record:
    """One image that is not decoded yet.

    Attributes
    ----------
    name : str
        Path or name, for messages.
    label : str or None
        Name of the class; None if the image has no label.
    decode : callable
        Called with (height, width) or None, and with the value of 16-bit images that becomes 255, 65535 by default.
        Returns a `DecodedImage`, or raises `UnusableImage`.
    """

    name: str
    label: str | None
    decode: Callable[..., DecodedImage]


@dataclass(frozen=True)
class Records:
    """All records of a source, in an order that does not change.

    Attributes
    ----------
    iterate_from : callable
        Called with a number; returns an iterable of the records from that number on.
    identity : str
        Differs between different sources.
    total : int or None
        Number of records, if it is known before reading.
    classes : tuple of str or None
        Class names in label order, if they are known before reading.
    problems : tuple of Problem
        Files of the source that cannot be used.
    notes : tuple of str
        How labels are read, where a user may expect something else.
    what : str
        The source, for messages.
    labels : callable or None
        Returns the labels of all records. None if reading them takes as long as reading the images.
    """

    iterate_from: Callable[[int], Iterable[Record]]
    identity: str
    total: int | None = None
    classes: tuple[str, ...] | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    what: str = "the data set"
    labels: Callable[[], Iterable[Label]] | None = None

    def checked(self, unlabeled: str, hint: str = DROP_HINT) -> "Records":
        """Check the labels as far as that is possible without reading images.

        Parameters
        ----------
        unlabeled : {"error", "drop"}
        hint : str
            What to do about images without a label, for messages.

        Returns
        -------
        Records
            With its classes, if the labels were read.

        Raises
        ------
        DataError
            If images have no label, with their rows, unless `unlabeled` is "drop"; or if `unlabeled` is another value.
        """
        check_unlabeled(unlabeled)
        if self.labels is None:
            return self
        encoded = encode_labels(self.labels(), what=self.what, unlabeled=unlabeled, hint=hint)
        return self if self.classes is not None else replace(self, classes=encoded.names)

    def keeps(self, row: int, record: Record, unlabeled: str, hint: str = DROP_HINT) -> bool:
        """Return whether a record has a label. Raises DataError if it has none, unless `unlabeled` is "drop"."""
        if record.label is None and unlabeled != "drop":
            raise DataError(unlabeled_message(self.what, [row], None, hint))
        return record.label is not None
