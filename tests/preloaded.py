"""Import everything that the commands import, so that forked processes need not import it again."""

import ganaug.cli.augment
import ganaug.cli.check
import ganaug.cli.evaluate
import ganaug.cli.fit
import ganaug.cli.report
import ganaug.cli.sample
import ganaug.cli.store
import ganaug.cli.translate
import ganaug.estimators.augmenter
import ganaug.io.folder
import ganaug.io.store
import ganaug.reports.diversity
import ganaug.reports.utility  # noqa: F401
