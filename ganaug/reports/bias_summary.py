"""The sentences of a bias report: what changed, how certain it is, and what to do."""

import re
from collections.abc import Sequence

from ganaug.reports.attribute_selection import AttributeSelection
from ganaug.reports.composition import AMPLIFICATION, ATTRIBUTE_SHARES
from ganaug.reports.downstream import EQUALIZED_ODDS, GROUP_PERFORMANCE, GROUP_RECALL, LARGEST_GAP
from ganaug.reports.rows import Row, format_p_value

MAX_SENTENCES = 5  # on alarms; the tables have the others


def summarize_bias(rows: list[Row], reference: str, attributes: AttributeSelection) -> list[str]:
    """Write the summary of a bias report.

    Parameters
    ----------
    rows : list of Row
        With states and adjusted p values.
    reference : str
        What the synthetic images are compared with.
    attributes : AttributeSelection
        What is compared, and what is not.

    Returns
    -------
    list of str
        A sentence for each of the five most significant alarms, then the command that fills up the combinations of
        classes and attributes, then what was not judged, then attributes that are left out or unknown, then the
        reference.

    Examples
    --------
    >>> from ganaug.reports.attribute_selection import AttributeSelection
    >>> from ganaug.reports.bias_summary import summarize_bias
    >>> summarize_bias([], "the training set as it is", AttributeSelection(names=["attr_sex"]))
    ['No change of composition beyond chance.', 'Reference: the training set as it is.']
    """
    alarms = [row for row in rows if row.state in ("warn", "fail")]
    # the most certain first, and the largest of equally certain ones
    alarms.sort(key=lambda row: (row.p, -abs(row.value or 0)))
    sentences = [_describe(row) for row in alarms[:MAX_SENTENCES]]
    if len(alarms) > MAX_SENTENCES:
        sentences.append(f"The tables show {len(alarms) - MAX_SENTENCES} more warnings and failures.")
    sentences += _remedy(alarms, attributes.names)
    if not alarms and attributes.names:
        sentences.append("No change of composition beyond chance.")
    n_insufficient = sum(row.state == "insufficient" for row in rows)
    if n_insufficient:
        sentences.append(f"Insufficient results: {n_insufficient}. The notes give the reasons.")
    return [*sentences, *attributes.sentences(), f"Reference: {reference}."]


def _remedy(alarms: list[Row], names: Sequence[str]) -> list[str]:
    """Return the sentence that says how to change the composition, if an attribute with an alarm can be changed."""
    subjects = [row.subject for row in alarms if row.section not in (GROUP_PERFORMANCE, GROUP_RECALL)]
    columns = [name for name in names if any(re.search(rf"\b{re.escape(name)}\b", subject) for subject in subjects)]
    if not columns:
        return []
    listed = ", ".join(f'"{name}"' for name in columns)
    return [
        f"To draw images of each class with each value of {', '.join(columns)}: ganaug augment DATA OUT --balance "
        f'{",".join(columns)}, or GANAugmenter(condition_on=[{listed}], sampling_strategy="balance-cells").'
    ]


def _describe(row: Row) -> str:
    """A sentence on an alarm, and advice."""
    p = f"adjusted {format_p_value(row.p or 0.0)}"
    if row.section == ATTRIBUTE_SHARES:
        return _describe_share(row, p)
    if row.section == AMPLIFICATION:
        return _describe_amplification(row, p)
    if row.section in (GROUP_PERFORMANCE, GROUP_RECALL):
        return _describe_performance(row, p)
    return (
        f"{row.subject}: coverage is {100 * (row.value or 0.0):.0f} %, lower than for the other images of the class "
        f"({p}). The generator produces too few images like those of this group; collect more training images of it."
    )


def _describe_share(row: Row, p: str) -> str:
    value = row.value or 0.0
    return (
        f"{row.subject} is {100 * abs(value):.0f} percentage points {'more' if value > 0 else 'less'} frequent among "
        f"synthetic images than among real ones ({p}). Remove synthetic images of the over-represented group, or train "
        "the generator with more images of the under-represented group."
    )


def _describe_amplification(row: Row, p: str) -> str:
    value = row.value or 0.0
    consequence = (
        "A classifier may learn to recognize the class by the attribute."
        if value > 0
        else "A classifier trained on them may underestimate how strongly class and attribute are associated in real "
        "images."
    )
    return (
        f"{row.subject}: class and attribute are {'more' if value > 0 else 'less'} strongly associated than among real "
        f"images (bias amplification {value:+.3f}, {row.metric}, {p}). {consequence}"
    )


def _describe_performance(row: Row, p: str) -> str:
    points = f"{100 * abs(row.value or 0.0):.1f} percentage points"
    subject, _, summary = row.subject.rpartition(": ")
    if summary == LARGEST_GAP:
        change = f"the largest gap in accuracy between groups grows by {points}"
    elif summary == EQUALIZED_ODDS:
        change = f"the largest gap in the recall of a class between groups grows by {points}"
    else:
        subject, change = row.subject, f"classifier accuracy falls by {points}"
    return (
        f"{subject}: {change} if synthetic images are added ({p}). Train without synthetic images, use fewer, or add "
        "images of the group with the worse result."
    )
