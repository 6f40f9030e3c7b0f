"""Requests to judges behind endpoints: work that uses no GPU of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from safegrid.config.cost import Assumed
from safegrid.cost.data import Data
from safegrid.cost.files import UnknownError
from safegrid.cost.tokens import Tokens
from safegrid.study import Study
from safegrid.study.grid import Cell


@dataclass(frozen=True)
class Requests:
    """What one judge sends to its endpoint.

    Attributes:
        number: of requests, one an answer.
        reads: tokens of the questions; `writes` of the answers, at most.
        hours: that it takes at least, by the requests that may begin in a minute; None
            without such a bound.
        unknown: cells of which too little is known to be counted.
    """

    number: int
    reads: float
    writes: int
    hours: float | None
    unknown: int = 0


def endpoint_requests(
    study: Study, assumed: Assumed, data: Data
) -> Mapping[str, Requests]:
    """Return what each judge behind an endpoint is sent, by its name.

    An item that is tried again counts once, and what is kept from earlier runs too.
    """
    judges = {
        name: endpoint
        for name in study.judges
        if (endpoint := study.config.judges[name].endpoint) is not None
    }
    found = {}
    for name, endpoint in judges.items():
        number, reads, unknown = _sent(study, assumed, data, name)
        hours = (
            None
            if endpoint.requests_per_minute is None
            else number / endpoint.requests_per_minute / 60
        )
        writes = number * endpoint.max_tokens
        found[name] = Requests(number, reads, writes, hours, unknown)
    return found


def _sent(
    study: Study, assumed: Assumed, data: Data, judge: str
) -> tuple[int, float, int]:
    """Return requests, their tokens, and cells that are not counted."""
    number, reads, unknown = 0, 0.0, 0
    sets: list[Callable[[], tuple[Tokens, Tokens]]] = [
        partial(_of_cell, data, cell)
        for cell in study.prompted_cells()
        if judge in study.asked[cell.benchmark].judges
    ]
    if judge in study.validated():
        sets.append(partial(data.labelled, judge))
    for lengths in sets:
        try:
            prompts, answers = lengths()
        except UnknownError:
            unknown += 1
            continue
        number += answers.rows
        reads += answers.total + answers.rows * (assumed.guard + prompts.mean)
    return number, reads, unknown


def _of_cell(data: Data, cell: Cell) -> tuple[Tokens, Tokens]:
    return data.prompts(cell.model.base, cell.benchmark), data.answers(cell)
