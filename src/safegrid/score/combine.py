"""The global safety score: several safety benchmarks in one.

The paper's is the mean of the ALERT and the adversarial ALERT score (2409.07772,
caption of Figure 1), here slice `all`; its other reading, the mean over all prompts of
both, is slice `pooled`. An item's plain prompt and its adversarial forms are one
cluster across the benchmarks.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from safegrid.core.artifacts import manifest, write_table
from safegrid.core.errors import DataError
from safegrid.core.records import SCORE
from safegrid.score.answers import engine_of, read_answers
from safegrid.score.cell import cell_measures
from safegrid.score.intervals import MEDIAN
from safegrid.score.metrics import Measure, Slice
from safegrid.score.summary import Settings, score_frame, summarise


def score_global(
    *,
    cell: dict[str, Any],
    judges: dict[str, dict[str, str]],
    prompts: list[Path],
    responses: list[Path],
    verdicts: list[Path],
    base_responses: list[Path],
    base_verdicts: list[Path],
    most_unscored: float,
    study_seed: int,
    out: Path,
) -> None:
    """Write the rows of benchmark `global` of one model.

    Args:
        cell: study, base, recipe, seed, benchmark ("global").
        judges: for each member benchmark its judges, name to kind; gives the order of
            all lists of files below.
        prompts: one file a member.
        responses: one file a member.
        verdicts: one file a member and judge, member by member.
        base_responses: the same of recipe `none`.
        base_verdicts: the same of recipe `none`.
        most_unscored: share of unscored answers above which a score is refused.
        study_seed: of the bootstraps.
        out: rows of SCORE.

    Raises:
        DataError: the files do not belong together, or come from several engines.
    """
    engine = _one_engine(responses)
    shares = zip(_share(verdicts, judges), _share(base_verdicts, judges), strict=True)
    members, clusters = [], []
    for index, (name, (own, base)) in enumerate(zip(judges, shares, strict=True)):
        kinds = judges[name]
        answers = read_answers(prompts[index], responses[index], own, kinds)
        reference = read_answers(prompts[index], base_responses[index], base, kinds)
        members.append(
            cell_measures("safety", answers, reference, kinds, cell["recipe"])
        )
        clusters.append(answers.rows["cluster"].to_numpy())
    rows = summarise(
        joined(members),
        _slices([len(part) for part in clusters]),
        np.concatenate(clusters),
        Settings(study_seed, most_unscored),
    )
    facts = manifest(
        "score",
        {"prompts": prompts, "responses": responses, "verdicts": verdicts},
        {
            "judges": judges,
            "most_unscored": most_unscored,
            "study_seed": study_seed,
        },
        ("scipy",),
        rows=len(rows),
    )
    write_table(out, score_frame(cell, engine, rows), SCORE, facts)


def _one_engine(responses: list[Path]) -> tuple[str, str]:
    """Return the engine of all members: engines do not give equal answers."""
    found = {engine_of(path): path for path in responses}
    if len(found) > 1:
        told = "; ".join(f"{path}: {' '.join(e)}" for e, path in sorted(found.items()))
        raise DataError(
            f"global score: its benchmarks were answered by different engines ({told});"
            " delete the answers of the older one and rebuild them"
        )
    return next(iter(found))


def _share(
    files: list[Path], judges: dict[str, dict[str, str]]
) -> Iterator[list[Path]]:
    """Cut a flat list of verdict files into the members' lists."""
    wanted = sum(len(kinds) for kinds in judges.values())
    if len(files) != wanted:
        raise DataError(
            f"global score: got {len(files)} verdict files, expected {wanted}:"
            f" one for each judge of {', '.join(judges)}, in that order"
        )
    rest = iter(files)
    for kinds in judges.values():
        yield [next(rest) for _ in kinds]


def joined(members: list[list[Measure]]) -> list[Measure]:
    """Join the measures that every member has and that are about all its answers.

    Medians are left out: a mean of the members' medians is the median of nothing.
    """
    tables = [
        {(m.judge, m.name): m for m in member if m.applies.all() and m.scale != MEDIAN}
        for member in members
    ]
    shared = [key for key in tables[0] if all(key in table for table in tables)]
    return [
        Measure(
            judge,
            name,
            tables[0][judge, name].scale,
            np.concatenate([table[judge, name].values for table in tables]),
            np.concatenate([table[judge, name].applies for table in tables]),
        )
        for judge, name in shared
    ]


def _slices(sizes: list[int]) -> list[Slice]:
    everything = np.ones(sum(sizes), dtype=bool)
    member = np.repeat(np.arange(len(sizes)), sizes)
    return [
        Slice("all", everything, member),
        Slice("pooled", everything, np.zeros_like(member)),
    ]
