"""Findings of a check, one line each, in four states."""

from collections.abc import Iterable
from functools import partial
from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail", "skip"]


class Finding(NamedTuple):
    """A line of the report.

    `warn` tells of what may go wrong, `fail` of what will, with what was expected and
    what to do; `skip` of a check that could not run.
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
