"""The sentences of a diversity report: what deviates, how certain it is, what it means, and what to do."""

from collections.abc import Mapping

from ganaug.metrics.diversity import DIVERSITY_METRICS, DiversityMetric, MetricResult
from ganaug.reports.diversity_pairs import ALL
from ganaug.reports.diversity_rows import CLASSES, REAL_IMAGES
from ganaug.reports.rows import Row, format_p_value

MAX_NAMES = 4  # in a list within a sentence


def summarize_diversity(rows: list[Row], results: Mapping[tuple[str, str], MetricResult]) -> list[str]:
    """Write the summary of a diversity report.

    Parameters
    ----------
    rows : list of Row
        With states and adjusted p values.
    results : mapping of (str, str) to MetricResult
        {(class, measure): result}.

    Returns
    -------
    list of str
        A sentence for each measure that raises an alarm, then what could not be judged, then duplicates.

    Examples
    --------
    >>> from ganaug.reports.diversity_summary import summarize_diversity
    >>> from ganaug.reports.rows import Row
    >>> summarize_diversity([Row("Classes", "cat", "coverage", 0.9, state="pass")], {})
    ['Diversity, copies and labels: no deviation beyond chance.']
    """
    sentences = []
    for name, measure in DIVERSITY_METRICS.items():
        alarms = [row for row in rows if row.metric == name and row.state in ("warn", "fail")]
        # the result over all classes first, then the most certain classes
        alarms.sort(key=lambda row: (row.subject != ALL, row.p or 0.0))
        if alarms:
            sentences.append(_describe(name, measure, alarms, results))
    insufficient = [row.subject for row in rows if row.state == "insufficient" and row.subject != ALL]
    if insufficient:
        names = list_names(list(dict.fromkeys(insufficient)))
        sentences.append(f"Too few images to judge every measure for {names}: the notes give the required numbers.")
    absent = [row.subject for row in rows if row.section == CLASSES and row.metric == "synthetic" and not row.value]
    if absent:
        sentences.append(f"No synthetic images of {list_names(absent)}: these classes are not judged.")
    if any(row.section == REAL_IMAGES for row in rows):
        sentences.append(
            "Some real images occur more than once: they have more weight in training and are memorized sooner. "
            "Remove the duplicates."
        )
    if not any(row.state in ("warn", "fail") for row in rows):
        sentences.insert(0, "Diversity, copies and labels: no deviation beyond chance.")
    return sentences


def _describe(
    name: str, measure: DiversityMetric, alarms: list[Row], results: Mapping[tuple[str, str], MetricResult]
) -> str:
    """A sentence on the alarms of one measure, and advice."""
    values = []
    for row in alarms:
        expected = results[row.subject, name].expected
        reference = "" if expected is None else f" [{measure.reference}: {expected:.2f}]"
        values.append(f"{row.subject} {row.value or 0:.2f}{reference}")
    p = format_p_value(max(row.p or 0.0 for row in alarms)).replace("p=", "p at most ")
    title, fix = (text[0].upper() + text[1:] for text in (name, measure.fix))
    return f"{title} ({list_names(values)}; adjusted {p}): {measure.meaning}. {fix}."


def list_names(names: list[str], limit: int = MAX_NAMES) -> str:
    """Join names with commas, and count those beyond the limit.

    Parameters
    ----------
    names : list of str
        Names.
    limit : int
        Number of names to write out.

    Returns
    -------
    str

    Examples
    --------
    >>> from ganaug.reports.diversity_summary import list_names
    >>> list_names(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
