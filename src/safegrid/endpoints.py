"""The endpoints that a study's judges ask: whether the environment names them."""

import os

from safegrid.study import Study


def unset(study: Study) -> str:
    """Return a sentence on endpoints without an address, if there are any.

    It is said while planning and does not end it: all other jobs can run, and the
    judge's own job refuses.
    """
    used = {name for spec in study.prompted.values() for name in spec.judges}
    named = {
        judge: entry.endpoint.address
        for judge, entry in study.config.judges.items()
        if judge in used and entry.endpoint is not None
    }
    lost = {judge: name for judge, name in named.items() if not os.environ.get(name)}
    if not lost:
        return ""
    return (
        f"judge {', '.join(lost)}: asks an endpoint, and its jobs will refuse unless"
        f" {', '.join(dict.fromkeys(lost.values()))} is set to its address"
    )
