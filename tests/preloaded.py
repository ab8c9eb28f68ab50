"""Import and load everything that the commands need, so that forked processes need not do it again."""

import albumentations  # noqa: F401
import cv2  # noqa: F401
import matplotlib.backends.backend_agg
import matplotlib.figure  # noqa: F401
import torch
import torch._dynamo  # optimizers import it

import ganaug.augmentation.job
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
from ganaug.metrics.efficientnet import load_efficientnet_lite0

torch.set_num_threads(1)  # threads do not survive a fork
load_efficientnet_lite0()  # cached
