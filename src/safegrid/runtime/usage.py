"""Usage record of a result's answers, beside the logs of its job.

Artifacts that are compared hold no clock, so the record of a result
`results/S/responses/X.parquet` is `logs/speed/S/responses/X.json`. Logs may be deleted:
then a speed is not known, and nothing else is lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path

from safegrid.core.errors import DataError
from safegrid.core.files import below_results, read_record, write_json

SPEED = ("logs", "speed")
AND = " and "
NO_MODEL = "no model was asked"


class UntimedError(Exception):
    """Nobody knows what a result took; the message says why."""


@dataclass(frozen=True)
class Usage:
    """What requests to engines took.

    A request's rows that the model reads alike count once in `tokens_in`, and padding
    does not. The seconds are those that it worked (measured by the `engine`), or that a
    `client` waited; of nothing that was asked `measured` is empty.
    """

    requests: int
    rows: int
    tokens_in: int
    tokens_out: int
    seconds: float
    measured: str
    device: str

    def __add__(self, other: "Usage") -> "Usage":
        """One after the other."""
        return Usage(
            self.requests + other.requests,
            self.rows + other.rows,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            round(self.seconds + other.seconds, 6),
            _both(self.measured, other.measured),
            _both(self.device, other.device),
        )


@dataclass(frozen=True)
class Record:
    """What the answers behind a result took, whichever run asked for them.

    `from_cache` of the answers an earlier try or run had asked for; those of a cache
    without seconds are `untimed`, and not in `usage`. `engine` is who answered: kind,
    version, dtype, weights; `model` the first folder of the model.
    """

    answers: int
    from_cache: int
    untimed: int
    engine: dict[str, str]
    model: str
    usage: Usage | None


def total(parts: Iterable[Usage]) -> Usage | None:
    """Return the sum of what was spent; None of nothing."""
    listed = list(parts)
    return reduce(Usage.__add__, listed) if listed else None


def total_records(records: Iterable[Record]) -> Record:
    """Return what several results took together, of one engine and one model."""
    first, *others = records
    return Record(
        answers=first.answers + sum(one.answers for one in others),
        from_cache=first.from_cache + sum(one.from_cache for one in others),
        untimed=first.untimed + sum(one.untimed for one in others),
        engine=first.engine,
        model=first.model,
        usage=total(r.usage for r in (first, *others) if r.usage is not None),
    )


def per_thousand(record: Record, requests: int) -> str:
    """Say what a thousand of the requests behind a result took."""
    usage = record.usage
    if usage is None or not requests:
        return "what 1000 requests cost is not known: no answer was timed"
    share = 1000 / requests
    left = f", without {record.untimed} answers untimed" if record.untimed else ""
    return (
        f"1000 requests cost {usage.tokens_in * share:,.0f} tokens read and"
        f" {usage.tokens_out * share:,.0f} written, {usage.seconds * share:,.1f} s of"
        f" {usage.device} (measured by the {usage.measured}){left}"
    )


def record_file(result: Path) -> Path | None:
    """Return where the record of a result lies; None outside of a `results` folder."""
    below = below_results(result)
    above = result.parts[: -len(below)]
    return Path(*above, *SPEED, *below[1:]).with_suffix(".json") if below else None


def keep(result: Path, record: Record) -> None:
    """Write the record of a result; a result of no study gets none."""
    path = record_file(result)
    if path is not None:
        write_json(path, asdict(record))


def recorded(result: Path, engine: Mapping[str, str] | None) -> Record:
    """Read what a result took, of which a manifest says who answered, if a model did.

    Raises:
        UntimedError: no model was asked, there is no record, or it cannot be read or
            is of another result.
    """
    if engine is None:
        raise UntimedError(NO_MODEL)
    path = record_file(result)
    if path is None or not path.is_file():
        raise UntimedError(f"there is no record {path}; it goes with the logs")
    try:
        found = read_record(path, Record)
    except DataError as error:
        raise UntimedError(f"{error}; delete it") from error
    if found.engine != dict(engine):
        raise UntimedError(f"{path} is of another result: its engine is another one")
    return found


def _both(one: str, other: str) -> str:
    """Return what both say, once where they agree."""
    words = {word for text in (one, other) for word in text.split(AND) if word}
    return AND.join(sorted(words))
