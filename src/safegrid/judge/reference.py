"""A judge of kind `reference`: how near an answer is to the prompt's known answer.

Libraries do what they are for: sacrebleu, rouge-score and bert-score. The score is 0 to
1 (a rescaled BERTScore may be below 0), the label is null.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from safegrid.config import JudgeSpec
from safegrid.config.judge_kinds import Compare
from safegrid.judge.choices import right_choice
from safegrid.judge.items import Item, Verdict, unscored
from safegrid.readers.plain import plain

# Distributions whose versions can change the scores of a comparison.
LIBRARIES: dict[Compare, tuple[str, ...]] = {
    "bleu": ("sacrebleu",),
    "rouge_l": ("rouge-score", "nltk"),
    "bertscore": ("bert-score", "torch", "transformers"),
}
HEAD = ("scikit-learn", "scipy", "tokenizers")

Pairs = Sequence[tuple[str, str]]


def libraries_of(judge: JudgeSpec) -> tuple[str, ...]:
    """Return the distributions that a judge's scores depend on."""
    if judge.method == "text_head":
        return HEAD
    return () if judge.compare is None else LIBRARIES.get(judge.compare, ())


def judge_by_reference(
    spec: JudgeSpec, stack: Sequence[Path], items: Sequence[Item]
) -> list[Verdict]:
    """Hold each answer against its prompt's reference, in the order of the items.

    A prompt without a reference has nothing to be held against: unscored. An answer
    without a word is an answer, and scores 0 where nothing of it agrees.

    Args:
        spec: what is compared, and how.
        stack: the folder of BERTScore's model; empty for all else.
        items: what to judge.

    Raises:
        JudgeError: BERTScore's model cannot be read in the way that `spec` says.
    """
    pairs = [(i.answer, i.reference) for i in items if i.reference is not None]
    if spec.compare == "bertscore":
        from safegrid.judge.bertscore import bertscores

        found = bertscores(spec, stack, pairs)
    else:
        found = COMPARISONS[str(spec.compare)](pairs)
    verdicts = iter(found)
    return [
        unscored("the prompt has no reference")
        if item.reference is None
        else next(verdicts)
        for item in items
    ]


def _exact_choice(pairs: Pairs) -> list[Verdict]:
    read = (right_choice(answer, reference) for answer, reference in pairs)
    return [
        Verdict(None, float(right), [], json.dumps({"choices": named}))
        for right, named in read
    ]


def _contains(pairs: Pairs) -> list[Verdict]:
    """Look for the reference anywhere in the answer, whatever its case (2412.00074)."""
    found = (_shown(reference).strip() in _shown(answer) for answer, reference in pairs)
    return [Verdict(None, float(inside), [], "") for inside in found]


def _shown(text: str) -> str:
    return plain(text).casefold()


def _bleu(pairs: Pairs) -> list[Verdict]:
    """Sentence BLEU of sacrebleu, smoothed; `raw` is its signature."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(effective_order=True)
    scores = [metric.sentence_score(a, [r]).score / 100 for a, r in pairs]
    signature = str(metric.get_signature()) if pairs else ""
    return [Verdict(None, score, [], signature) for score in scores]


def _rouge_l(pairs: Pairs) -> list[Verdict]:
    """F of the longest common subsequence of stemmed words, by rouge-score."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    found = [scorer.score(reference, answer)["rougeL"] for answer, reference in pairs]
    return [
        Verdict(None, score.fmeasure, [], _raw(score.precision, score.recall))
        for score in found
    ]


def _raw(precision: float, recall: float) -> str:
    return json.dumps({"precision": round(precision, 6), "recall": round(recall, 6)})


COMPARISONS: dict[str, Callable[[Pairs], list[Verdict]]] = {
    "exact_choice": _exact_choice,
    "contains": _contains,
    "bleu": _bleu,
    "rouge_l": _rouge_l,
}
