"""Findings of a check, one line each, in four states."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

State = Literal["ok", "warn", "fail", "skip"]


class Finding(NamedTuple):
    """A line of the report.

    Attributes:
        state: `skip` where a check could not run; the text says why.
        subject: what was looked at.
        text: what was found; of a failure also what was expected and what to do.
    """

    state: State
    subject: str
    text: str


def ok(subject: str, text: str) -> Finding:
    """Say that something is as it should be."""
    return Finding("ok", subject, text)


def warn(subject: str, text: str) -> Finding:
    """Say what may go wrong."""
    return Finding("warn", subject, text)


def fail(subject: str, text: str) -> Finding:
    """Say what will go wrong."""
    return Finding("fail", subject, text)


def skip(subject: str, text: str) -> Finding:
    """Say what was not looked at."""
    return Finding("skip", subject, text)


def report(findings: Iterable[Finding]) -> int:
    """Print findings as they come; return how many failed."""
    failed = 0
    for finding in findings:
        failed += finding.state == "fail"
        # Messages of others may have several lines.
        text = " ".join(finding.text.split())
        print(f"{finding.state:4} {finding.subject}: {text}", flush=True)
    return failed
