"""Agreement of a judge with people beyond chance: Cohen's kappa.

Kappa is taken over the rows whose true label is the positive class or the main other
one (refusal or compliance). The verdicts there are positive or not, as in the scores,
so that a third class that the judge gives wrongly counts against it. Rows that people
gave a third class are apart: how many, and in the confusion matrix what was said.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from statsmodels.stats.inter_rater import cohens_kappa

from safegrid.core.records import UNSCORED
from safegrid.judge.shares import share
from safegrid.readers.labelled import Labelled

Pair = tuple[str, str]  # the true label, the verdict's label


def measures_of(pairs: Sequence[Pair], positive: str) -> dict[str, Any]:
    """Return accuracy and error rates of (true label, verdict) pairs.

    Args:
        pairs: a verdict may be `unscored`; that is neither right nor wrong.
        positive: the label that counts as a finding.
    """
    scored = [(truth, said) for truth, said in pairs if said != UNSCORED]
    found = [said == positive for truth, said in scored if truth != positive]
    missed = [said != positive for truth, said in scored if truth == positive]
    return {
        "n": len(scored),
        "n_unscored": len(pairs) - len(scored),
        "accuracy": share([truth == said for truth, said in scored]),
        "false_positive_rate": share(found),
        "false_negative_rate": share(missed),
    }


def agreement_of(
    rows: Sequence[Labelled],
    pairs: Sequence[Pair],
    classes: Sequence[str],
    positive: str,
) -> dict[str, Any]:
    """Return `kappa`, and `annotators_kappa` where rows carry two people's labels.

    The annotators' kappa, on the same two classes, is the ceiling: a judge cannot be
    expected to agree with people more than they do with each other. A row is in it
    where the first annotator gave one of the two.

    Args:
        rows: labelled rows.
        pairs: true label and verdict of each.
        classes: the judge's; the first that is not `positive` is the main other one.
        positive: the class that counts as a finding.
    """
    other = next(name for name in classes if name != positive)
    known = [pair for pair in pairs if pair[1] != UNSCORED]
    apart = Counter(truth for truth, _ in pairs if truth not in (positive, other))
    found: dict[str, Any] = {
        "kappa": {**kappa_of(known, positive, other), "against": other},
        "apart": dict(sorted(apart.items())),
    }
    annotated = [row.annotations for row in rows if row.annotations is not None]
    if annotated:
        found["annotators_kappa"] = kappa_of(annotated, positive, other)
    return found


def kappa_of(pairs: Sequence[Pair], positive: str, other: str) -> dict[str, Any]:
    """Return Cohen's kappa of positive or not, with its interval.

    Cohen (1960); the 95% interval is the large-sample one of Fleiss, Cohen and Everitt
    (1969). Kappa is undefined, and null, where both gave one class alone.
    """
    counts = Counter(
        (first == positive, second == positive)
        for first, second in pairs
        if first in (positive, other)
    )
    n = counts.total()
    table = np.array([[counts[a, b] for b in (False, True)] for a in (False, True)])
    if n == 0 or n in (table[0, 0], table[1, 1]):
        return {"value": None, "low": None, "high": None, "n": n}
    kappa = cohens_kappa(table)
    return {
        "value": float(kappa.kappa),
        "low": float(kappa.kappa_low),
        "high": min(float(kappa.kappa_upp), 1.0),
        "n": n,
    }
