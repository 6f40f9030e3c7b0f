"""Findings of a check, one line each, in four states."""

from collections.abc import Iterable
from functools import partial
from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail", "skip"]


class Finding(NamedTuple):
    """A line of the report.

    Attributes:
        state: `ok`; `warn` of what may go wrong, `fail` of what will; `skip` where a
            check could not run.
        subject: what was looked at.
        text: what was found; of a failure also what was expected and what to do.
    """

    state: State
    subject: str
    text: str


ok = partial(Finding, "ok")
warn = partial(Finding, "warn")
fail = partial(Finding, "fail")
skip = partial(Finding, "skip")


def report(findings: Iterable[Finding]) -> int:
    """Print findings as they come; return how many failed."""
    failed = 0
    for finding in findings:
        failed += finding.state == "fail"
        # Messages of others may have several lines.
        text = " ".join(finding.text.split())
        print(f"{finding.state:4} {finding.subject}: {text}", flush=True)
    return failed
