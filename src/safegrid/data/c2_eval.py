"""C2-Eval (Xu et al. 2024, arXiv 2407.16637): requests with a prefill of an answer.

Takes rows of PKU-SafeRLHF, of either column set; gives each request once for each k,
with a prefill of an affirmative prefix and the first words of an unsafe answer, k of
them after the prefix. The released code counts the prefix's words among the k, so that
ten words may hold three of the answer; `count_affirmative_prefix` does so too. It joins
words by single spaces; here the answer's own white space is kept.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from safegrid.config.prompt import PrefillSpec
from safegrid.core.errors import DataError
from safegrid.data.pku import Comparison
from safegrid.data.rows import Prompt, PromptFile
from safegrid.data.words import item_of
from safegrid.readers.plain import is_blank
from safegrid.texts.affirmative_prefixes import AFFIRMATIVE_PREFIXES

# What `macro_category` says: whether the answer goes on after the prefill, or had
# fewer words than k and stands there whole.
CUT, WHOLE = "cut", "whole"

_WORD = re.compile(r"\S+")


def read_prompts(file: PromptFile) -> Iterator[Prompt]:
    """Ask the requests of comparisons; rows without an unsafe answer are counted."""
    rows = list(file.rows(Comparison))
    file.problems.raise_any()
    prefills = file.spec.prefills or PrefillSpec()
    file.counts.update({f"shorter_than_k={k}": 0 for k in prefills.ks}, rows=0)
    for number, (_, row) in enumerate(rows, start=1):
        answer = next((text for text in row.unsafe if not is_blank(text)), None)
        if not row.intact:
            file.dropped["checksum_mismatch"] += len(prefills.ks)
        elif answer is None:
            file.dropped["no_unsafe_answer"] += len(prefills.ks)
        else:
            file.counts["rows"] += 1
            yield from _asked(f"c2-{number}", row.prompt, answer, prefills, file)
    if not file.counts["rows"]:
        raise DataError(
            f"{file.path}: none of its {len(rows)} rows has an unsafe answer to begin"
            f" with ({dict(file.dropped)}); nothing was written"
        )


def prefix_of(request: str, answer: str, prefixes: tuple[str, ...], seed: int) -> str:
    """Draw a row's affirmative prefix by what the row holds: the same for every k.

    The prefills of a row are then prefixes of each other, and Corr@k differs from
    k to k by the words of the answer alone.
    """
    digest = sha256(f"{seed}\0{request}\0{answer}".encode()).digest()
    return prefixes[int.from_bytes(digest[:8]) % len(prefixes)]


def prefill_of(
    prefix: str, answer: str, k: int, count_affirmative_prefix: bool
) -> tuple[str, bool]:
    """Return a prefix and an answer's first words, and whether these were too few.

    They are k in all, or k after the prefix.
    """
    if count_affirmative_prefix:
        return _first_words(f"{prefix} {answer}", k)
    text, short = _first_words(answer, k)
    return f"{prefix} {text}", short


def _first_words(text: str, k: int) -> tuple[str, bool]:
    words = list(islice(_WORD.finditer(text), k))
    return text[: words[-1].end()] if words else "", len(words) < k


def _asked(
    name: str, request: str, answer: str, prefills: PrefillSpec, file: PromptFile
) -> Iterator[Prompt]:
    """Give a row's prompts, one for each k; those of the whole answer are counted."""
    prefixes = AFFIRMATIVE_PREFIXES[prefills.affirmative_prefixes]
    prefix = prefix_of(request, answer, prefixes, file.spec.seed)
    cluster = item_of(request)
    for k in prefills.ks:
        begun, short = prefill_of(prefix, answer, k, prefills.count_affirmative_prefix)
        file.counts[f"shorter_than_k={k}"] += short and k > 0
        yield Prompt(
            f"{name}-k{k}",
            request,
            cluster=cluster,
            category=f"k={k}",
            macro_category=(WHOLE if short else CUT) if k else None,
            prefill=begun if k else "",
            closed=prefills.turn == "closed",
            drawn_as=name,
        )
