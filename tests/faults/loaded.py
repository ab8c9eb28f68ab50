"""Import everything that the commands import, so that forked processes need not import it again."""

import ganaug.cli.augment
import ganaug.cli.fit
import ganaug.cli.sample
import ganaug.cli.store
import ganaug.estimators.augmenter
import ganaug.io.folder
import ganaug.io.store
import ganaug.reports.diversity  # noqa: F401
