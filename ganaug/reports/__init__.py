"""Reports on synthetic images: are they useful, diverse and unbiased?

Each function returns a `Report`: a verdict, sentences, rows with intervals, and figures, as a table, JSON or an HTML
page. The functions take images, never a model, so they judge any generator; only `utility_report` also takes an
augmenter, in order to fit it inside each fold.
"""

from ganaug.reports.bias import bias_report
from ganaug.reports.diversity import diversity_report
from ganaug.reports.report import Report, joined
from ganaug.reports.rows import Figure, Row
from ganaug.reports.utility import utility_report

__all__ = ["Figure", "Report", "Row", "bias_report", "diversity_report", "joined", "utility_report"]
