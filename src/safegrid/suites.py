"""Capability suites that will stop for want of consent, said while planning."""

from safegrid.consent import RUN_CODE, allowed
from safegrid.study import Study


def refused(study: Study) -> str:
    """Return a sentence on tasks that will stop for want of consent, if there are any.

    It is said while planning and does not end it: the task's own job refuses.
    """
    names = [
        name
        for spec in study.suites.values()
        for name in spec.tasks
        if name in study.config.tasks
        and study.config.tasks[name].runs_code
        and not allowed(RUN_CODE, name)
    ]
    if not names:
        return ""
    listed = ",".join(dict.fromkeys(names))
    return (
        f"scoring {listed} runs Python code that models wrote: its jobs will refuse"
        f" unless {RUN_CODE}={listed} is set, and say whether a sandbox works there"
    )
