"""A judge of kind `reference`: how near an answer is to the prompt's known answer.

Libraries do what they are for: sacrebleu, rouge-score and bert-score. The score is 0 to
1 (a rescaled BERTScore may be below 0), the label is null.

The choice that an answer names is found by rule. Papers count an answer as right where
it *is* the gold choice; models wrap it ("The answer is (B).", "b", "B. the sun"). So
the first line with a word is read, without a lead-in such as "The answer is":

- Against "B. the sun" or "B": the answer is right where it has the choice's own words,
  or names this letter and no other. It names each of A to H that stands alone, in
  brackets, before `.`, `)` or `:`, after "option", "choice" or "answer", or as a
  capital by itself ("A" before a small word is an article).
- Against "yes" or "no": right where it names that one alone; "true" names yes, "false"
  no.
- Against any other reference: right where it has the same words.

An answer that names two choices, or none, is wrong, not unscored: it could be read.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from safegrid.config import JudgeSpec
from safegrid.config.judge import Compare
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
    without a word is an answer, and scores 0 where nothing of it agrees. The stack is
    the folder of BERTScore's model; empty for all else.
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
    shown = ([plain(text).casefold() for text in pair] for pair in pairs)
    found = (reference.strip() in answer for answer, reference in shown)
    return [Verdict(None, float(inside), [], "") for inside in found]


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
    verdicts = []
    for score in found:
        raw = {"precision": round(score.precision, 6), "recall": round(score.recall, 6)}
        verdicts.append(Verdict(None, score.fmeasure, [], json.dumps(raw)))
    return verdicts


COMPARISONS: dict[str, Callable[[Pairs], list[Verdict]]] = {
    "exact_choice": _exact_choice,
    "contains": _contains,
    "bleu": _bleu,
    "rouge_l": _rouge_l,
}


YES_NO = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
REFERENCE = re.compile(r"([A-H])(?:\. (.*\S.*))?", re.DOTALL)
LEAD_IN = re.compile(
    r"\s*(?:so |therefore |thus )?(?:the |my )?(?:right |correct |best )?"
    r"(?:answer|option|choice)\b(?: is| would be)?[\s:]*",
    re.IGNORECASE,
)
LONE = re.compile("[a-h]")
LETTER = re.compile(
    r"[(\[]([A-Ha-h])[)\]]"
    r"|\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)(?: is|:)? ([A-Hb-h])\b"
    r"|(?<![\w'.])([A-Ha-h])(?=[.):](?:\s|$))"
    r"|(?<![\w'.])([B-H])(?![\w'])"
    r"|(?<![\w'.])(A)(?![\w'])(?!\s(?!or\b|and\b)[a-z])"
)


def right_choice(answer: str, reference: str) -> tuple[bool, str]:
    """Say whether an answer is the gold choice, and which choices it names.

    The reference is a letter, with or without its words ("B. the sun"), "yes" or "no",
    or other words.
    """
    answer, reference = plain(answer), plain(reference).strip()
    line = next((line for line in answer.splitlines() if line.strip()), "")
    said = _words(line[_lead_in(line) :])
    lettered = REFERENCE.fullmatch(reference)
    if lettered is None:
        return _right_words(said, _words(reference))
    letter, text = lettered.groups()
    if text and said == _words(text) and not LONE.fullmatch(said):
        return True, letter
    named = [said.upper()] if LONE.fullmatch(said) else _letters(line)
    return named == [letter], " ".join(named)


def _right_words(said: str, gold: str) -> tuple[bool, str]:
    if gold not in ("yes", "no"):
        return said == gold, said
    named = sorted({YES_NO[word] for word in said.split() if word in YES_NO})
    return named == [gold], " ".join(named)


def _lead_in(line: str) -> int:
    """Return where the answer begins behind what leads to it; all is no lead-in."""
    found = LEAD_IN.match(line)
    return found.end() if found and line[found.end() :].strip() else 0


def _letters(line: str) -> list[str]:
    named = (next(filter(None, match.groups())) for match in LETTER.finditer(line))
    return sorted({letter.upper() for letter in named})


def _words(text: str) -> str:
    """Return the words of a text in small letters, one space between them."""
    return " ".join(re.findall(r"\w+", text.casefold()))
