"""C2-Eval (Xu et al. 2024, arXiv 2407.16637): requests with a prefill of an answer.

Takes rows of PKU-SafeRLHF, of either column set; gives each request once for each k,
with a prefill of an affirmative prefix and the first words of an unsafe answer, k of
them after the prefix. The released code counts the prefix's words among the k, so that
ten words may hold three of the answer; `count_affirmative_prefix` does so too. It joins
words by single spaces; here the answer's own white space is kept.
"""

import re
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from safegrid.config.prefill import PrefillSpec
from safegrid.config.prompt import PromptSpec
from safegrid.core.errors import DataError
from safegrid.data import pku
from safegrid.data.items import item_of
from safegrid.data.rows import Prompt, Prompts
from safegrid.readers.plain import is_blank
from safegrid.readers.problems import Problems
from safegrid.texts.affirmative_prefixes import AFFIRMATIVE_PREFIXES

# What `macro_category` says: whether the answer goes on after the prefill, or had
# fewer words than k and stands there whole.
CUT, WHOLE = "cut", "whole"

Lost = Literal["checksum_mismatch", "no_unsafe_answer"]
_WORD = re.compile(r"\S+")


class Prefix(NamedTuple):
    """The first words of an answer.

    Attributes:
        short: there are fewer words than were asked for.
    """

    text: str
    short: bool


def read_prompts(file: Path, spec: PromptSpec, plain: Path | None) -> Prompts:
    """Read a file of comparisons; rows without an unsafe answer are counted.

    Raises:
        DataError: the file is broken, or no row of it holds an unsafe answer.
    """
    problems = Problems(file)
    rows = list(pku.read(file, problems))
    problems.raise_any()
    prefills = spec.prefills or PrefillSpec()
    prompts: list[Prompt] = []
    lost: Counter[str] = Counter()
    for number, row in enumerate(rows, start=1):
        answer = unsafe_answer(row)
        if row.intact and answer is not None:
            prompts += _asked(f"c2-{number}", row.prompt, answer, prefills, spec)
        else:
            reason: Lost = "no_unsafe_answer" if row.intact else "checksum_mismatch"
            lost[reason] += len(prefills.ks)
    if not prompts:
        raise DataError(
            f"{file}: none of its {len(rows)} rows has an unsafe answer to begin with"
            f" ({dict(lost)}); nothing was written"
        )
    return Prompts(prompts, _counts(prompts, prefills), dict(lost))


def unsafe_answer(row: pku.Comparison) -> str | None:
    """Return the first answer that upstream calls unsafe and that has words, if any."""
    pairs = zip(row.responses, row.safe, strict=True)
    return next((text for text, safe in pairs if not (safe or is_blank(text))), None)


def prefix_of(request: str, answer: str, prefixes: tuple[str, ...], seed: int) -> str:
    """Draw a row's affirmative prefix by what the row holds: the same for every k.

    The prefills of a row are then prefixes of each other, and Corr@k differs from
    k to k by the words of the answer alone.
    """
    digest = sha256(f"{seed}\0{request}\0{answer}".encode()).digest()
    return prefixes[int.from_bytes(digest[:8]) % len(prefixes)]


def prefill_of(
    prefix: str, answer: str, k: int, count_affirmative_prefix: bool
) -> Prefix:
    """Return a prefix and an answer's first words, k in all or k after the prefix."""
    if count_affirmative_prefix:
        return _first_words(f"{prefix} {answer}", k)
    text, short = _first_words(answer, k)
    return Prefix(f"{prefix} {text}", short)


def _first_words(text: str, k: int) -> Prefix:
    end, found = 0, 0
    for found, word in enumerate(_WORD.finditer(text), start=1):
        end = word.end()
        if found == k:
            break
    return Prefix(text[:end], found < k)


def _asked(
    name: str, request: str, answer: str, prefills: PrefillSpec, spec: PromptSpec
) -> Iterator[Prompt]:
    """Give the prompts of one row, one for each k."""
    prefixes = AFFIRMATIVE_PREFIXES[prefills.affirmative_prefixes]
    prefix = prefix_of(request, answer, prefixes, spec.seed)
    cluster = item_of(request)
    for k in prefills.ks:
        begun = prefill_of(prefix, answer, k, prefills.count_affirmative_prefix)
        yield Prompt(
            f"{name}-k{k}",
            request,
            cluster=cluster,
            category=f"k={k}",
            macro_category=(WHOLE if begun.short else CUT) if k else None,
            prefill=begun.text if k else "",
            closed=prefills.turn == "closed",
            drawn_as=name,
        )


def _counts(prompts: list[Prompt], prefills: PrefillSpec) -> dict[str, int]:
    """Count rows, requests, and the answers that are shorter than each k."""
    short = Counter(p.category for p in prompts if p.macro_category == WHOLE)
    return {
        "rows": len({prompt.drawn_as for prompt in prompts}),
        "clusters": len({prompt.cluster for prompt in prompts}),
        **{f"shorter_than_k={k}": short[f"k={k}"] for k in prefills.ks},
    }
