"""The blocks of a study that reach a stage as one JSON param each."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

# What the base untouched is called where recipes stand.
NONE = "none"

JudgeKind = Literal[
    "guard",
    "toxicity",
    "refusal",
    "likelihood",
    "reward",
    "harmfulness",
    "entailment",
    "reference",
    "correction",
]
# Kinds whose model gives one number, and what a text for it has places for.
SCORERS = ("reward", "harmfulness")
PLACES = ("prompt", "response")
# The class against which entailment is weighed.
CONTRADICTION = "contradiction"
# The kinds whose verdicts may come from elsewhere.
BY_FILE = ("guard", "reward", "harmfulness", "toxicity", "refusal")
# Those of them that say one of several classes.
OF_CLASSES = ("toxicity", "refusal")
Compare = Literal["exact_choice", "contains", "bleu", "rouge_l", "bertscore"]
Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def plain_address(url: str) -> str:
    """Check that an address can be shown and joined to: no key, no query in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must begin with https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The value of a refused key is shown, so it is not repeated here.
        raise ValueError("must hold no user, password, query or fragment")
    return url


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Address = Annotated[str, AfterValidator(plain_address)]
Addresses = Annotated[list[Address] | None, BeforeValidator(_listed)]


class Block(BaseModel):
    """A piece of configuration; a misspelt key is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Decode(Block):
    """How answers are drawn; temperature 0 is greedy."""

    max_new_tokens: Positive
    temperature: float = Field(default=0.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    frequency_penalty: float = 0.0
    samples: Positive = 1
    stop: list[str] = []

    @property
    def width(self) -> int:
        """Sequences that grow for one answer."""
        return 1


class EngineSpec(Block):
    """Which engine answers. Kind, dtype and version are part of every score row.

    Attributes:
        kind: `safegrid` (ours), `vllm` (started by us), `address` (already running).
        chunk: prompts of one forward chunk, the unit that the store keeps.
        max_tokens: bound on padded tokens of a chunk, so that logits fit in memory.
        address: base URLs of the servers where kind is `address`; one that is alone
            may be written without a list.
        idle_seconds: an engine that nobody asks for so long ends.
        most: engines of one run that may live at once on one machine.
        start_seconds: how long loading may take.
    """

    kind: Literal["safegrid", "vllm", "address"] = "safegrid"
    dtype: Literal["float32", "bfloat16"] = "float32"
    chunk: Positive = 128
    max_tokens: Positive = 16_384
    address: Addresses = None
    idle_seconds: float = Field(default=30.0, gt=0)
    most: Positive = 2
    start_seconds: float = Field(default=600.0, gt=0)

    @model_validator(mode="after")
    def _address_fits_kind(self) -> "EngineSpec":
        if self.kind == "address" and not self.address:
            raise ValueError("kind 'address' needs `address`, the engine's base URL")
        if self.kind != "address" and self.address:
            raise ValueError(
                f"kind {self.kind!r} starts its own engine: remove `address`, or say"
                " `kind: address`"
            )
        return self


class EndpointSpec(Block):
    """An OpenAI-compatible chat endpoint that judges: what it is sent, and how fast.

    Its address and key are in the environment and nowhere else: they are no part of
    what is judged, and a key must reach no file.

    Attributes:
        model: its name there.
        address: variable that holds the base URL, mostly one that ends in `/v1`.
        key: variable that holds the bearer key; unset where none is asked for.
        max_tokens: of an answer.
        at_once: requests under way at a time.
        a_minute: requests that may begin in a minute; null for no bound.
        timeout: seconds that an answer may take.
        tries: of one request, before its item is left for a later run.
    """

    model: str = Field(min_length=1)
    address: Variable = "SAFEGRID_JUDGE_URL"
    key: Variable = "SAFEGRID_JUDGE_KEY"
    seed: int = 42
    max_tokens: Positive = 2
    at_once: Positive = 4
    a_minute: Positive | None = None
    timeout: float = Field(default=60.0, gt=0)
    tries: Positive = 6


class JudgeSpec(Block):
    """How a judge is read.

    Attributes:
        method: what judges: the judge's model; rules of this package (for kinds
            `refusal` and `reference`), which need neither a folder nor an engine; a
            file of verdicts from elsewhere; or a model behind an endpoint (for kind
            `correction`).
        threshold: guard: P(unsafe) from which on a response is unsafe.
        safe: verdict word of a guard; `unsafe` likewise.
        questions: lines that a guard fills in before the one that is read, each with
            one of its two words; the likelier word is written after each.
        prefix: text between generation prompt, or the last question's answer, and
            verdict word (Llama Guard 3: two newlines).
        least_mass: a guard that puts less than this probability on its two verdict
            words together has not answered: unscored.
        category_tokens: tokens generated for the category line of unsafe rows, its end
            included: the last code of a line that is cut there is left out.
        positive: label of a classifier whose probability is the score.
        classes: labels that a classifier may give, first the one that kappa sets
            against the positive one.
        yes_word: correction: the word that says so; `no_word` likewise.
        text: what a `reward` or `harmfulness` model reads, with the places `{prompt}`
            and `{response}`; null for its own chat template.
        wording: correction: the question, with the places `{prompt}`, `{prefill}` and
            `{response}`, and `{yes}` and `{no}`; null for the package's own.
        second: the second of two texts where it reads a pair; null for one text.
        compare: kind `reference` only: how an answer is held against the reference.
        endpoint: method `endpoint` only: what is asked there.
        layers: `bertscore` only: the layer of its model that is read.
        baseline: `bertscore` only: the model of the package's table of baselines by
            which F1 is rescaled; null for F1 itself.
    """

    name: str
    kind: JudgeKind
    method: Literal["model", "rules", "file", "endpoint"] = "model"
    version: Positive = 1
    threshold: Share = 0.5
    safe: str = "safe"
    unsafe: str = "unsafe"
    questions: list[str] = []
    prefix: str = ""
    least_mass: Share = 0.5
    category_tokens: int = Field(default=0, ge=0)
    positive: str = ""
    classes: list[str] = []
    yes_word: str = "yes"
    no_word: str = "no"
    wording: str | None = None
    text: str | None = None
    second: str | None = None
    compare: Compare | None = None
    endpoint: EndpointSpec | None = None
    layers: Positive | None = None
    baseline: str | None = None

    @model_validator(mode="after")
    def _endpoint_fits_kind(self) -> "JudgeSpec":
        if (self.endpoint is None) != (self.method != "endpoint"):
            raise ValueError(
                "`endpoint` belongs to `method: endpoint`, and it needs one"
            )
        if self.method == "endpoint" and self.kind != "correction":
            raise ValueError(
                f"method 'endpoint' is for kind 'correction', not {self.kind!r}"
            )
        return self

    @model_validator(mode="after")
    def _question_has_its_places(self) -> "JudgeSpec":
        if self.wording is None:
            return self
        if self.kind != "correction":
            raise ValueError(f"`wording` is for kind 'correction', not {self.kind!r}")
        places = ("{prompt}", "{prefill}", "{response}")
        if missing := [place for place in places if place not in self.wording]:
            raise ValueError(f"`wording` lacks {', '.join(missing)}")
        return self

    @model_validator(mode="after")
    def _method_fits_kind(self) -> "JudgeSpec":
        if self.method == "rules" and self.kind not in ("refusal", "reference"):
            raise ValueError(
                "method 'rules' is for kinds 'refusal' and 'reference', not"
                f" {self.kind!r}: remove it"
            )
        if self.method == "file" and self.kind not in BY_FILE:
            raise ValueError(
                f"method 'file' is for kinds {', '.join(map(repr, BY_FILE))}, not"
                f" {self.kind!r}: remove it"
            )
        if self.kind == "guard" and self.safe == self.unsafe:
            raise ValueError(f"`safe` and `unsafe` are the same word {self.safe!r}")
        named = self.positive in self.classes or self.kind not in OF_CLASSES
        if self.method == "file" and not named:
            raise ValueError(
                f"kind {self.kind!r} needs `classes`, the labels that its file may"
                " hold, and `positive`, one of them"
            )
        if (self.compare is None) != (self.kind != "reference"):
            raise ValueError("`compare` belongs to kind 'reference', and it needs one")
        return self

    @model_validator(mode="after")
    def _texts_fit_kind(self) -> "JudgeSpec":
        texts = [text for text in (self.text, self.second) if text is not None]
        if texts and self.kind not in SCORERS:
            raise ValueError(
                f"`text` and `second` are for kinds {' and '.join(map(repr, SCORERS))},"
                f" not {self.kind!r}: remove them"
            )
        if self.second is not None and self.text is None:
            raise ValueError("`second` needs `text`, the first of the two texts")
        places = re.findall(r"\{(\w+)\}", " ".join(texts))
        if odd := sorted(set(places) - set(PLACES)):
            raise ValueError(
                f"a text has the places {{prompt}} and {{response}}, not"
                f" {', '.join(f'{{{name}}}' for name in odd)}"
            )
        if texts and "response" not in places:
            raise ValueError(
                "the texts lack {response}, the place of the answer: the judge would"
                " never see what it judges"
            )
        return self

    @model_validator(mode="after")
    def _classes_fit_kind(self) -> "JudgeSpec":
        if self.kind == "entailment" and not (
            {self.positive, CONTRADICTION} <= set(self.classes)
            and self.positive not in ("", CONTRADICTION)
        ):
            raise ValueError(
                "kind 'entailment' needs its model's `classes`, one of them"
                f" {CONTRADICTION!r}, and `positive`, the class that says entailment"
            )
        return self

    @model_validator(mode="after")
    def _method_fits_compare(self) -> "JudgeSpec":
        bertscore = self.compare == "bertscore"
        wrong = "rules" if bertscore else "model"
        if self.compare is not None and self.method == wrong:
            raise ValueError(
                f"compare {self.compare!r} is done by method"
                f" {'model' if bertscore else 'rules'!r}, or read from a file"
            )
        needed = bertscore and self.method == "model"
        if needed != (self.layers is not None) or (self.baseline and not needed):
            raise ValueError(
                "`layers` belongs to compare 'bertscore' with a model, which needs it;"
                " `baseline` may stand beside it"
            )
        return self


class Lora(Block):
    """A low-rank adapter (Hu et al. 2021)."""

    rank: Positive
    alpha: Positive
    dropout: Share = 0.0
    targets: list[str] | Literal["all-linear"] = "all-linear"


class Training(Block):
    """The settings of one training run, complete.

    Attributes:
        batch: pairs a step.
        micro_batch: pairs a forward of one process; what `batch` has more is
            accumulated.
        processes: how many train together, under `accelerate launch`.
        accelerate: how they share a model: a file of profiles/accelerate; null for a
            whole copy each.
        warmup: share of the steps with a rising learning rate.
        lora: an adapter's shape, or null for full fine-tuning.
    """

    learning_rate: float = Field(gt=0)
    beta: float | None = Field(default=None, gt=0)
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    steps: Positive | None = None
    epochs: float | None = Field(default=None, gt=0)
    batch: Positive
    micro_batch: Positive
    processes: Positive = 1
    accelerate: Literal["fsdp", "deepspeed"] | None = None
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: Share = 0.1
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False
    lora: Lora | None = None
    save_steps: Positive = 500
    log_steps: Positive = 5

    @model_validator(mode="after")
    def _whole(self) -> "Training":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either `steps` or `epochs`, not both and not none")
        if self.batch % (self.micro_batch * self.processes):
            raise ValueError(
                f"batch {self.batch} is no multiple of micro_batch {self.micro_batch}"
                f" x {self.processes} processes"
            )
        if self.accelerate and self.processes == 1:
            raise ValueError(
                f"accelerate {self.accelerate!r} shares a model among processes, but"
                " `processes` is 1; raise it or remove `accelerate`"
            )
        return self


class Recipe(Block):
    """How one model of a study is made, resolved: nothing is left to a default.

    Attributes:
        start: the recipe whose model it starts from; null is the base itself.
        fraction: share of the dataset's pairs, by the dataset's seed.
        categories: pairs of these categories only; null is all.
    """

    name: str
    method: str
    dataset: str
    start: str | None = None
    fraction: float = Field(default=1.0, gt=0, le=1)
    categories: list[str] | None = None
    training: Training
