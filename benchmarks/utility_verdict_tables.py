"""The tables of `utility_verdict.py`, from the rows of utility reports."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.tables import markdown_table, mean_range

# Names of rows and columns of `utility_report`.
GAIN, ACCURACY = "gain over best baseline", "balanced accuracy"
FOLLOWED = "verdict followed"  # what following the verdict brings; needs four classifiers a seed
SHARES = ("10% synthetic", "25% synthetic", "50% synthetic", "filled to balance")
VERDICTS = ("helps", "helps rare classes", "no evidence", "hurts")

ReportDict = dict[str, Any]


def report_value(report: ReportDict, subject: str, metric: str, field: str = "value") -> Any:
    """A field of a report's row; None if it has no such row."""
    rows = [row for row in report["rows"] if row["subject"] == subject and row["metric"] == metric]
    return rows[0][field] if rows else None


def summary_table(runs: Sequence[dict[str, Any]], *, headroom: bool) -> list[str]:
    """A row for each set: the best training without synthetic images, and the gain of each use of more images."""
    cells: dict[tuple[str, int, float], list[dict[str, Any]]] = {}
    for run in runs:
        cells.setdefault((run["name"], run["n_max"], run["ratio"]), []).append(run)
    uses = ["verdict followed", "10%", "25%", "50%", "filled"]
    head = ["set", "n_max", "ratio", "seeds", "real only", "best baseline", *uses, "verdicts", "synthetic used"]
    if headroom:
        head += [f"headroom: {uses[0]}", *uses[1:], "headroom: synthetic used"]
    rows = []
    for (name, n_max, ratio), members in cells.items():
        reports = [run["ganaug"] for run in members]
        verdicts = [report["verdict"] for report in reports]
        row = [
            *(name, str(n_max), f"{ratio:g}", str(len(members))),
            *(_points(reports, method, ACCURACY) for method in ("real only", "best baseline")),
            *(_points(reports, use, GAIN) for use in (FOLLOWED, *SHARES)),
            ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in sorted(set(verdicts))),
            _synthetic_choices(reports),
        ]
        if headroom:
            pools = [run["headroom"] for run in members]
            row += [*(_points(pools, use, GAIN) for use in (FOLLOWED, *SHARES)), _synthetic_choices(pools)]
        rows.append(row)
    return markdown_table(head, rows)


def known_table(runs: Sequence[dict[str, Any]], titles: Iterable[str]) -> list[str]:
    """A row for each known generator: its verdicts, and the gain of following them."""
    head = ["samples of the generator", "runs", *VERDICTS, "share advised"]
    head += ["hurts at 25%", "hurts at 50%", "gain, best share", "gain, verdict followed", "synthetic used"]
    rows = []
    for title in titles:
        reports = [run[title] for run in runs]
        verdicts = [report["verdict"] for report in reports]
        harm = [
            sum(report_value(report, share, GAIN, "state") == "fail" for report in reports) for share in SHARES[1:3]
        ]
        rows.append(
            [
                *(title, str(len(reports)), *(str(verdicts.count(verdict)) for verdict in VERDICTS)),
                *(_advised_shares(reports), *map(str, harm)),
                *(_points(reports, method, GAIN) for method in ("best with synthetic", FOLLOWED)),
                _synthetic_choices(reports),
            ]
        )
    return markdown_table(head, rows)


def _points(reports: Iterable[ReportDict], subject: str, metric: str) -> str:
    """Mean in points over reports, with smallest and largest."""
    values = [report_value(report, subject, metric) for report in reports]
    return mean_range([None if value is None else 100 * value for value in values], ".1f")


def _advised_shares(reports: Iterable[ReportDict]) -> str:
    """How many reports advise each share: '18 x 50 %, 2 x 0 %'."""
    shares = [report["facts"]["share"] for report in reports]
    return ", ".join(f"{shares.count(share)} x {100 * share:g} %" for share in sorted(set(shares), reverse=True))


def _synthetic_choices(reports: Iterable[ReportDict]) -> str:
    """How many of the choices that follow the verdict are of synthetic images; '-' if there are no choices."""
    choices = [choice for report in reports for choice in report["facts"].get(f"{FOLLOWED}, selections", {}).items()]
    synthetic = sum(n for name, n in choices if "synthetic" in name)
    return f"{synthetic} of {sum(n for _, n in choices)}" if choices else "-"
