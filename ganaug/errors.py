"""The failures that ganaug names. Each message says what came, what was meant, and the fix."""


class GanaugError(Exception):
    """Any failure that ganaug foresaw; the command line prints its text and exits with 1."""


class DataError(GanaugError, ValueError):
    """The images, labels or folder given cannot be used as they are."""


class OutputError(GanaugError, OSError):
    """Something cannot be written where it was asked for."""


class RunError(GanaugError, RuntimeError):
    """A run folder or model folder cannot be used: damaged, in use, or of another data set."""


class TrainingError(GanaugError, RuntimeError):
    """Training could not go on, even after rolling back."""


class RunInterruptedError(RunError):
    """A fit was interrupted by a callback or a signal. What it did is saved, and can be resumed."""


class TrainingWarning(UserWarning):
    """A finding of a fit that concerns its result: a collapse, or a class that was not learned."""


class ClassNotLearnedError(GanaugError, ValueError):
    """A class was asked for of which the generator's samples do not pass the filters."""
