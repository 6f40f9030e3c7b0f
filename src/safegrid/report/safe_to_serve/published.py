"""Published numbers of Safe to Serve's recipes, each with what is known against it."""

import polars as pl

from safegrid.core.intervals import wilson
from safegrid.report.grid import NOT_ASKED, Entry
from safegrid.report.names import METRICS
from safegrid.report.published import EVERY, NOT_GIVEN, why
from safegrid.report.safe_to_serve.rows import IT

PAPERS_NAMES = {
    "safety": ("Llama Guard safe",),
    "reward_median": ("median DeBERTa reward", "median GPT2 reward"),
    "harmfulness_median": ("median harmfulness",),
    "accuracy": ("exact choice",),
    "contains": ("word contained",),
    "bleu": ("BLEU",),
    "rouge_l": ("ROUGE-L",),
    "bertscore": ("BERTScore",),
    "entailment": ("claims entailed",),
}
"""Our metrics, and what the paper calls them."""


class Published:
    """The paper's numbers of some recipes.

    The paper prints its Base once beside the rows of SIT and once beside those of RAFT
    and DPO, measured in two ways. Only the places are read in which one of the asked
    recipes stands too.
    """

    def __init__(self, published: pl.DataFrame, recipes: set[str]) -> None:
        own = published.filter(pl.col("model").is_in(sorted(recipes - {IT})))
        places = own["place"].unique().to_list()
        self._rows = published.filter(
            pl.col("model").is_in(sorted(recipes | {IT}))
            & pl.col("place").is_in(places)
        )

    def has(self, metric: str, benchmarks: set[str]) -> bool:
        """Say whether the paper has any number of a metric on these benchmarks."""
        rows = self._rows.filter(
            pl.col("metric").is_in(PAPERS_NAMES.get(metric, ()))
            & pl.col("benchmark").is_in(sorted(benchmarks))
        )
        return not rows.is_empty()

    def entry(self, recipe: str, benchmark: str, metric: str) -> Entry:
        """Return the paper's number of a cell; a share in percent, as it is printed.

        Its interval is ours: Wilson's, from the paper's number of items.
        """
        own = self._rows.filter(model=recipe)
        if own.is_empty() or not self.has(metric, {benchmark}):
            return NOT_ASKED
        names = PAPERS_NAMES[metric]
        for row in own.filter(benchmark=benchmark).iter_rows(named=True):
            if row["metric"] in names and row["value"] is not None:
                return _entry(row, METRICS[metric].unit == "share")
        reasons = own.filter(metric=EVERY)["source"].to_list()
        reason = why(reasons[0]) if reasons else NOT_GIVEN
        return Entry(None, None, None, 0, None, 0, reason)


def _entry(row: dict[str, object], is_share: bool) -> Entry:
    value, n = float(str(row["value"])), int(str(row["n"] or 0))
    defects = tuple(str(row["defect"] or "").split())
    if not is_share:
        return Entry(value, None, None, n, None, 1, None, defects)
    share = value / 100 if row["unit"] == "percent" else value
    percent = round(100 * share, 6)
    if "impossible" in defects or not n:
        return Entry(percent, None, None, n, None, 1, None, defects)
    low, high = (100 * limit for limit in wilson(share * n, n))
    return Entry(percent, low, high, n, None, 1, None, defects)
