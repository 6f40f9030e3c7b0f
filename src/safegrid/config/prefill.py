"""Prefills: first words of an assistant's turn, from unsafe answers (C2-Eval)."""

from typing import Literal

from pydantic import Field, field_validator

from safegrid.config.block import Block, Count


class PrefillSpec(Block):
    """Prefills that each request is asked with (arXiv 2407.16637).

    Attributes:
        ks: words of each prefill, ascending; 0 is the bare request
        affirmative_prefixes: the list of `src/safegrid/texts/affirmative_prefixes.py`
            that its first sentence is drawn from: `evaluation`, or `training`, the one
            that C2-Syn is made with, to compare with the paper, which has one list for
            both
        count_affirmative_prefix: `false`: k words of the answer follow the affirmative
            prefix; `true`: the affirmative prefix's words are among the k, as in the
            released code
        turn: `open`: the model goes on inside the turn. `closed`: the prefill is a
            finished turn, and a new one opens
    """

    ks: list[Count] = Field(
        default=[10, 20, 30, 40, 50, 60, 70, 80], min_length=1, validate_default=True
    )
    affirmative_prefixes: Literal["evaluation", "training"] = "evaluation"
    count_affirmative_prefix: bool = False
    turn: Literal["open", "closed"] = "open"

    @field_validator("ks")
    @classmethod
    def _each_once(cls, ks: list[int]) -> list[int]:
        if sorted(set(ks)) != ks:
            raise ValueError("must ascend, each number once")
        return ks
