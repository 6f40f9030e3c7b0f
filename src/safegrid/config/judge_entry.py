"""A judge of the registry: how it is read, and where it comes from."""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import model_validator

from safegrid.config.block import Above0, Positive
from safegrid.config.head import (
    DEFAULT,
    ENCODED,
    KEYS,
    Feature,
    HeadSpec,
    LabelledFile,
)
from safegrid.config.judge import JudgeSpec
from safegrid.config.names import FileOf, Named, source_of
from safegrid.config.source import LABELLED_FORMATS
from safegrid.config.upstream import ModelUpstream

NO_FORMAT = "no format: it gives no measure"


VERDICTS = source_of("verdicts", holds="verdicts from elsewhere")


def _unmeasurable(source: Any, name: str, judge: Any) -> str | None:
    """Say why rows are none that a judge is measured on; None where they are."""
    kind = judge.get("kind")
    fitting = [form for form, kinds in LABELLED_FORMATS.items() if kind in kinds]
    if source.format in fitting:
        return None
    return (
        f"source {name!r} is of format {source.format!r}; a judge of kind {kind!r} has"
        f" labelled rows of {' or '.join(sorted(fitting)) or NO_FORMAT}"
    )


class JudgeEntry(JudgeSpec, ModelUpstream):
    """A judge of the registry: how it is read, and where it comes from.

    Attributes:
        recipe: kind `reward` only: the study's own recipe of method `reward` whose
            model it is
        encoder: text_head: name in [`encoders.yaml`](#encodersyaml): the model whose
            vectors it reads; needed, unless its `features` are none of those
        verdicts_source: method `file`: [source](#sourcesyaml) of format `verdicts`
        verdicts_file: short name of the file in that source
        labelled_source: [source](#sourcesyaml) of labelled rows that it did not train
            on
        labelled_file: short name of the file in that source
        trained_on: text_head: the [labelled rows](#rows-that-a-text-head-is-trained-on)
            that it is trained on; needed
        features: text_head: what it reads: the encoder's vectors of the `answer`, of
            the `prompt`, and their `product`; hashed `words` of the answer; `forms` of
            refusals that the rules find in it
        max_words: text_head: words of the answer, and of the prompt, that are read
        regularisation: text_head: strength of the L2 penalty, scikit-learn's 1/C
    """

    recipe: str | None = None
    encoder: Annotated[str | None, Named("encoder")] = None
    verdicts_source: Annotated[str | None, VERDICTS] = None
    verdicts_file: Annotated[str | None, FileOf("verdicts_source")] = None
    labelled_source: Annotated[str | None, Named("source", _unmeasurable)] = None
    labelled_file: Annotated[str | None, FileOf("labelled_source")] = None
    trained_on: list[LabelledFile] = []
    features: list[Feature] = list(DEFAULT)
    max_words: Positive = 60
    regularisation: Above0 = 0.1

    @model_validator(mode="after")
    def _is_trained(self) -> "JudgeEntry":
        if fault := next(_head_faults(self), None):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _has_its_own_verdicts(self) -> "JudgeEntry":
        named = [n for n in ("verdicts_source", "verdicts_file") if getattr(self, n)]
        if self.method == "file" and len(named) < 2:
            raise ValueError(
                "method 'file' needs `verdicts_source` and `verdicts_file`: where its"
                " verdicts are"
            )
        if self.method == "file" and self.labelled_source is not None:
            raise ValueError(
                "method 'file' judges no other rows than its file's: remove"
                " `labelled_source`"
            )
        if self.method != "file" and named:
            raise ValueError(f"`{named[0]}` is for method 'file': remove it, or say so")
        return self

    @model_validator(mode="after")
    def _recipe_gives_rewards(self) -> "JudgeEntry":
        if self.recipe and (self.kind, self.method) != ("reward", "model"):
            raise ValueError(
                "`recipe` names a reward model of the study: it needs kind 'reward' and"
                f" method 'model', got {self.kind!r} and {self.method!r}"
            )
        return self

    @model_validator(mode="after")
    def _gguf_is_a_language_model(self) -> "JudgeEntry":
        if self.gguf and self.kind not in ("guard", "correction"):
            raise ValueError(
                f"kind {self.kind!r} reads the head of a classifier, which a `gguf`"
                " file has none of: give safetensors, or take kind 'guard' or"
                " 'correction'"
            )
        return self

    def head(self) -> HeadSpec:
        """Return what training a text head needs, without provenance."""
        fields = set(HeadSpec.model_fields)
        return HeadSpec.model_validate(self.model_dump(include=fields))

    def spec(self) -> JudgeSpec:
        """Return what the judging stage needs, without provenance."""
        fields = set(JudgeSpec.model_fields)
        return JudgeSpec.model_validate(self.model_dump(include=fields))


def _head_faults(judge: JudgeEntry) -> Iterator[str]:
    """Yield what does not fit together in the keys of a text head, a sentence each."""
    if judge.method != "text_head":
        given = [key for key in KEYS if key in judge.model_fields_set]
        given += ["encoder"] * (judge.encoder is not None)
        if given:
            yield f"`{given[0]}` is for method 'text_head': remove it, or say so"
        return
    if judge.encoder is None and set(judge.features) & set(ENCODED):
        yield (
            "method 'text_head' needs `encoder`, whose vectors it reads; or `features`"
            " that need none (words, forms)"
        )
    yield from _of_rows(judge)


def _of_rows(judge: JudgeEntry) -> Iterator[str]:
    given = {part.label for part in judge.trained_on}
    if odd := sorted(label for label in given if label and label not in judge.classes):
        yield f"`trained_on` gives the label {odd[0]!r}, which is none of `classes`"
    if not judge.trained_on:
        yield "method 'text_head' needs `trained_on`, the labelled rows it learns from"
    elif None not in given and len(given) == 1:
        (label,) = given
        yield (
            f"`trained_on` holds rows of one class only, {label!r}: a regression needs"
            " rows of another class too"
        )
    names = [part.name for part in judge.trained_on]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"`trained_on` names {twice[0]} more than once"
