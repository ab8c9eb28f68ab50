"""Paths as users write them."""

import os
from pathlib import Path


def expand_user(path: str | os.PathLike[str]) -> Path:
    """Return a path in which `~` at the start stands for the home folder, as in a shell.

    Every path that a user passes goes through this function. Names in files, such as those in metadata.csv, do not.

    Parameters
    ----------
    path : path
        `~user` stands for the home folder of another user. If there is no such user, the path stays as it is.

    Returns
    -------
    Path

    Examples
    --------
    >>> from pathlib import Path
    >>> from ganaug._runtime.user_paths import expand_user
    >>> expand_user("~/photos") == Path.home() / "photos"
    True
    >>> expand_user("photos/~backup").as_posix()
    'photos/~backup'
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises for unknown users
