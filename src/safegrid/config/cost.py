"""Input of the cost model: shapes of models, GPUs, assumptions about data."""

from pydantic import model_validator

from safegrid.config.block import Above0, Block, Count, Part, Positive


class ShapeSpec(Block):
    """The shape of a transformer: what its parameters, FLOPs and cache follow from.

    Attributes:
        layers: `num_hidden_layers`
        width: `hidden_size`
        heads: of the queries
        kv_heads: of keys and values; null for as many
        head_width: of one head; null for `width / heads`
        feed_forward: `intermediate_size`
        vocabulary: `vocab_size`
        gated: whether the MLP has three matrices, as Llama's, or two, as Falcon's
        tied: whether the head is the embedding table
        experts: MLPs of a layer
        experts_used: those that one token goes through
        positions: learned positions, of encoders
    """

    layers: Positive
    width: Positive
    heads: Positive
    kv_heads: Positive | None = None
    head_width: Positive | None = None
    feed_forward: Positive
    vocabulary: Positive
    gated: bool = True
    tied: bool = False
    experts: Positive = 1
    experts_used: Positive = 1
    positions: Count = 0

    @model_validator(mode="after")
    def _used_of_all(self) -> "ShapeSpec":
        if self.experts_used > self.experts:
            raise ValueError(
                f"experts_used {self.experts_used} is more than the {self.experts}"
                " experts of a layer"
            )
        return self

    @property
    def queries(self) -> int:
        """Width of all query heads together."""
        return self.heads * (self.head_width or self.width // self.heads)

    @property
    def keys(self) -> int:
        """Width of all key heads together; that of the values is the same."""
        return (self.kv_heads or self.heads) * (self.queries // self.heads)

    @property
    def linears(self) -> list[tuple[int, int]]:
        """Widths in and out of the matrices of a layer, all experts' among them."""
        attention = [(self.width, self.queries), (self.queries, self.width)]
        attention += [(self.width, self.keys)] * 2
        mlp = [(self.width, self.feed_forward)] * (2 if self.gated else 1)
        mlp.append((self.feed_forward, self.width))
        return attention + mlp * self.experts

    @property
    def head(self) -> int:
        """Parameters of the head, which are those of the embedding table too."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        """All parameters, but for the few hundred thousand of biases."""
        mlp = self._mlp * self.experts
        return self._outside + self.layers * (self._attention + mlp)

    @property
    def active(self) -> int:
        """The parameters that one token goes through."""
        mlp = self._mlp * self.experts_used
        return self._outside + self.layers * (self._attention + mlp)

    @property
    def cached(self) -> int:
        """Numbers that the cache of keys and values holds for a token."""
        return 2 * self.layers * self.keys

    @property
    def _mlp(self) -> int:
        return (3 if self.gated else 2) * self.width * self.feed_forward

    @property
    def _attention(self) -> int:
        router = self.width * self.experts if self.experts > 1 else 0
        norms = 2 * self.width
        return 2 * self.width * (self.queries + self.keys) + router + norms

    @property
    def _outside(self) -> int:
        tables = self.head * (1 if self.tied else 2)
        return tables + (self.positions + 1) * self.width


class GpuSpec(Block):
    """A GPU, by its data sheet.

    Attributes:
        aliases: what torch and schedulers call it, beside its own name; capitals and
            signs between words do not matter
        memory_gb: of 10^9 bytes
        bf16_tflops: dense bfloat16, 10^12 operations a second
        fp32_tflops: float32 without TF32
        bandwidth_tb_s: of its memory, 10^12 bytes a second
    """

    aliases: list[str] = []
    memory_gb: Above0
    bf16_tflops: Above0
    fp32_tflops: Above0
    bandwidth_tb_s: Above0


class Lengths(Block):
    """Lengths in tokens, spread as a log-normal is.

    Attributes:
        mean: tokens
        p95: tokens that 95 of 100 do not exceed, of a log-normal; null for one length
            for all
    """

    mean: Above0
    p95: Above0 | None = None

    @model_validator(mode="after")
    def _ordered(self) -> "Lengths":
        if self.p95 is not None and self.p95 < self.mean:
            raise ValueError(f"p95 {self.p95:g} is below the mean {self.mean:g}")
        return self


class FileAssumed(Block):
    """What is assumed of a source's file until it is there to be measured.

    Attributes:
        rows: pairs, prompts or labelled rows
        prompt: lengths of a prompt without its chat template, below
        answer: lengths of an answer; needed for pairs and labelled rows
        why: where the figures are from
    """

    rows: Positive
    prompt: Lengths
    answer: Lengths | None = None
    why: str


class TaskAssumed(Block):
    """What is assumed of a task of lm-evaluation-harness.

    Attributes:
        rows: documents
        prompt: lengths of a whole prompt, examples and template in it, below
        shared: tokens that the prompts begin with alike, as solved examples
        options: answers to a document that are scored; either this or `answer`
        option: tokens of one option; those of one token share a forward
        answer: tokens that are written at most
        why: where the figures are from
    """

    rows: Positive
    prompt: Lengths
    shared: Count = 0
    options: Count = 0
    option: Positive = 1
    answer: Count = 0
    why: str

    @model_validator(mode="after")
    def _one_of_both(self) -> "TaskAssumed":
        if bool(self.options) == bool(self.answer):
            raise ValueError("give either `options` or `answer`: scored or written")
        return self


class Assumed(Block):
    """config/assumptions.yaml: what a plan takes for granted until it is measured.

    Attributes:
        shares: share of its limit that each kind of job reaches: `reference`, `train`,
            `generate`, `judge`, `capability`, `validate_judge`, `calibrate`; `--mfu`
            replaces it, and so do finished jobs of `train`, `generate`, `judge` and
            `capability`
        step_ms: milliseconds that a layer takes at least in a step of decoding with our
            engine
        start_seconds: imports and start of a process that holds a model
        load_gb_s: weights read from disk, 10^9 bytes a second
        template: tokens that a chat template adds to a prompt
        guard: tokens that a guard's template adds to a prompt-response pair
        guard_before: those of them that stand before the pair, which are read once for
            all pairs of a chunk
        unsafe: share of answers whose category line a guard is asked for
        differ: share of a benchmark's prompts on which two methods are scored
            differently
        answer_bytes: disk of an answer's token, with its verdicts and caches
        sources: by [source](#sourcesyaml) and file, below
        tasks: by task of lm-evaluation-harness, below
    """

    shares: dict[str, Part]
    step_ms: Above0
    start_seconds: Above0
    load_gb_s: Above0
    template: Count
    guard: Count
    guard_before: Count
    unsafe: Part
    differ: Part
    answer_bytes: Above0
    sources: dict[str, dict[str, FileAssumed]]
    tasks: dict[str, TaskAssumed]
