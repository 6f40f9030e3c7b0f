"""Datasets that a model makes: which model, and how it answers."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from safegrid.config.block import Block, Count, Positive, Seed
from safegrid.config.engine import BeamDecode, Beams, Decode
from safegrid.config.judge import HIGHER_IS_BETTER
from safegrid.config.names import FileOf, Named, source_of
from safegrid.config.prompt import PromptSpec
from safegrid.config.source import CODE_FORMAT, PartSpec

# Parts of a prompt pool, and places where an answer is broken off: each is a job, or a
# prompt.
MOST_PARTS = 1000
# The keys of a dataset under which a model makes it.
GENERATED = ("best_of_k", "corrections", "rejected_by_model")


class GeneratedSpec(Block):
    """What every dataset that a model makes has.

    Attributes:
        recipe: the recipe whose model answers, or one of its checkpoints (`it@10`);
            `none` is the base untouched
        base: base of that model, one of the study's; null for that of the model which
            trains on the dataset
        seed: seed of that model: `same` as that of the model which trains on the
            dataset, or a number
        decode: [how it answers](#decoding); `samples` is k
    """

    recipe: str
    base: str | None = None
    seed: Seed | Literal["same"] = "same"
    decode: Decode

    @property
    def decoding(self) -> Decode:
        """How it answers, all that says so together."""
        return self.decode

    @property
    def judges(self) -> list[str]:
        """The judges that its answers are shown to: the one of a kind that has one."""
        judge: str | None = getattr(self, "judge", None)
        return [] if judge is None else [judge]

    def pools(self, name: str) -> list[str]:
        """What is asked so that it can be made, by name: the dataset's, or parts."""
        return [name]

    def _check_one_answer(self, why: str) -> None:
        if self.decode.samples != 1:
            samples = self.decode.samples
            raise ValueError(f"`samples` is {samples}: {why}, so remove it")


def _judge_of(*kinds: str, why: str) -> Named:
    """Return the mark of a judge that says which answers are kept."""

    def fault(judge: Any, name: str, _: Any) -> str | None:
        if judge.kind in kinds:
            return None
        return (
            f"{name!r} is of kind {judge.kind!r}, {why}; expected one of"
            f" {', '.join(kinds)}"
        )

    return Named("judge", fault)


# Of k answers the one with the highest score is kept, and a guard's is P(unsafe).
BEST = _judge_of(*HIGHER_IS_BETTER, why="whose highest score is not the best answer's")
# Of corrections those are kept whose direct answer is labelled safe.
GUARD = _judge_of("guard", why="which calls no answer safe or unsafe")


class BestOfKSpec(GeneratedSpec):
    """The best of k answers of a model to each prompt, by a judge's score (RAFT).

    Attributes:
        prompts: [what it is asked](#prompts)
        judge: name of a [judge](#judgesyaml) whose score picks the best; unscored
            answers are never picked
        decode: `samples` is k.
    """

    prompts: PromptSpec
    judge: Annotated[str, BEST]


class RequestsSpec(Block):
    """Which requests a model is to correct itself on, and where it has to.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `pku`
        file: short name of the file in that source
        limit: requests to take, the first ones of the file; null for all
        words: a request holds one of these, as letters in a row
        min_words: an unsafe answer has more words than this
        cuts: places at which it is broken off, at most 1000
        affirmative_prefixes: which list of `src/safegrid/texts/affirmative_prefixes.py`
            a broken answer begins with: `training`, or `evaluation`, which C2-Eval asks
            with too
    """

    source: Annotated[str, source_of("pku", holds="answers labelled unsafe")]
    file: Annotated[str, FileOf()] = "train"
    limit: Positive | None = None
    words: list[str] = Field(default=["how", "what", "How", "What"], min_length=1)
    min_words: Count = 80
    cuts: Annotated[Positive, Field(le=MOST_PARTS)] = 4
    affirmative_prefixes: Literal["training", "evaluation"] = "training"

    @property
    def answers(self) -> int:
        """What a model is asked for each request: one direct answer, and the cuts."""
        return self.cuts + 1

    @property
    def pairs(self) -> int:
        """The pairs of a request: of its answers and the unsafe one, any two."""
        return (self.answers + 1) * self.answers // 2


class BeamsSpec(Beams):
    """The beams of a dataset; transformers has them in code of their own only.

    Attributes:
        source: name of a [source](#sourcesyaml) of format `custom_generate`: the code
            that searches
    """

    source: Annotated[str, source_of(CODE_FORMAT, holds="code that searches")] = (
        "diverse-beams"
    )

    def beams(self) -> Beams:
        """Return how is searched, without whose code it is: its bytes count."""
        return Beams(groups=self.groups, penalty=self.penalty)


class CorrectionsSpec(GeneratedSpec):
    """Synthetic course corrections (C2-Syn, arXiv 2407.16637).

    Of each request: a direct answer, and the continuations of an unsafe answer that is
    broken off at several places, each time by a trigger. Earlier corrections are
    preferred to later ones, a direct answer to all, and all to the unsafe one.

    Attributes:
        requests: what it is asked, below
        judge: a [judge](#judgesyaml) of kind `guard` that reads the answers: a request
            whose direct answer it does not call safe is dropped; null takes them all,
            as the paper does
        beams: the paper's [diverse beams](#diverse-beams), by code of others that you
            let run; `{}` is the paper's; null for `decode` as it is
        shards: parts that it is asked in, each a cell, at most 1000; memory is that of
            one part
        decode: [how it answers](#decoding), once each; the paper has `max_new_tokens:
            128`
    """

    requests: RequestsSpec
    judge: Annotated[str | None, GUARD] = None
    beams: BeamsSpec | None = None
    shards: Annotated[Positive, Field(le=MOST_PARTS)] = 1

    @model_validator(mode="after")
    def _can_be_asked(self) -> "CorrectionsSpec":
        self._check_one_answer("a correction is one answer")
        plain = Decode(max_new_tokens=self.decode.max_new_tokens)
        drawn = [name for name, value in self.decode if value != getattr(plain, name)]
        if self.beams is not None and drawn:
            raise ValueError(
                f"`beams` search for the best answer and know no {', '.join(drawn)}:"
                " remove it from `decode`, or remove `beams`"
            )
        return self

    @property
    def decoding(self) -> Decode:
        """How it answers: with its beams, where it has them."""
        if self.beams is None:
            return self.decode
        return BeamDecode(**self.decode.model_dump(), beams=self.beams.beams())

    def pools(self, name: str) -> list[str]:
        """The parts of the prompts; the whole where there is one."""
        if self.shards == 1:
            return [name]
        return [f"{name}/part{number}" for number in range(1, self.shards + 1)]


class RejectedByModelSpec(GeneratedSpec):
    """Pairs whose chosen answer stands in a source and whose rejected one is a model's.

    Attributes:
        chosen: where prompts and chosen answers come from: one or several parts of
            sources of format `instructions`, [keys as of a mix](#a-mix)
        recipe: the recipe whose model answers; `none` is the base untouched
        decode: [how the model answers](#decoding), once each: greedy, or with a
            `temperature`, drawn by the study's `seed`
    """

    chosen: list[PartSpec] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_answer(self) -> "RejectedByModelSpec":
        self._check_one_answer("one answer is rejected of each prompt")
        return self
