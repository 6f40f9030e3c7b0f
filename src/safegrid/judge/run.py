"""One judge's verdicts on one cell's responses."""

import logging
from pathlib import Path

import polars as pl

from safegrid.artifacts import manifest, write_table
from safegrid.config import EngineSpec, JudgeSpec
from safegrid.judge.items import read_items
from safegrid.judge.reference import libraries_of
from safegrid.judge.verdicts import count, judge_items, shown_hash, verdict_version
from safegrid.records import VERDICT
from safegrid.spent import keep

logger = logging.getLogger(__name__)


def judge(
    judge: JudgeSpec,
    chain: list[Path],
    prompts: Path,
    responses: Path,
    engine: EngineSpec,
    store: Path,
    out: Path,
    fresh: bool = False,
) -> None:
    """Write a verdict for every response: `responses/` to `verdicts/`.

    Args:
        judge: how the judge's model is read.
        chain: folders of the judge's model; for `likelihood` that is the base, for
            rules there are none.
        prompts: rows of PROMPT, the benchmark's.
        responses: rows of RESPONSE to them.
        engine: which engine answers for the judge.
        store: file of this cell's answers; what it holds is not asked again.
        out: rows of VERDICT, in the order of the responses.
        fresh: ignore the store.

    Raises:
        DataError: prompts and responses do not belong together.
        JudgeError: the judge's model cannot be read in the way that `judge` says.
        EngineError: the engine does not start or does not answer.
    """
    items = read_items(prompts, responses)
    verdicts, record = judge_items(judge, chain, items, engine, store, "judge", fresh)
    rows = [
        {
            "prompt_id": item.prompt_id,
            "sample": item.sample,
            "judge": judge.name,
            **verdict._asdict(),
        }
        for item, verdict in zip(items, verdicts, strict=True)
    ]
    facts = manifest(
        "judge",
        inputs={"prompts": prompts, "responses": responses},
        params={"judge": judge.model_dump()},
        libraries=("jinja2", "tokenizers", *libraries_of(judge)),
        engine=record and record.engine,
        template=shown_hash(chain),
        verdict_version=verdict_version(judge, chain),
        **count(items, verdicts),
    )
    if record is not None:
        keep(out, record)
    write_table(out, pl.DataFrame(rows, schema=VERDICT), VERDICT, facts)
    logger.info("%s: %d verdicts, %s", judge.name, len(rows), facts["labels"])
