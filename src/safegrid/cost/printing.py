"""A plan as text for people, and as JSON for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from safegrid.config.cost import Assumed
from safegrid.cost.estimate import EqualJobs, Estimate, Requests
from safegrid.cost.fit import some
from safegrid.cost.flops import BYTES
from safegrid.cost.memory import USABLE, Memory, usable
from safegrid.cost.tokens import Tokens

GB = 1e9
BLANK = "-"
MEMORY = ["jobs", "what", *Memory.__annotations__, "total", "fits"]


def text(plan: Estimate, assumed: Assumed, dtype: str) -> str:
    """Return a plan in words and tables; `dtype` is that of the engines."""
    gpu = plan.device
    head = ["jobs", "what", "number", "reads", "p95", "max", "writes", "p95", "max"]
    head += ["PFLOP", "GPU-hours", "disk GB", *([] if plan.price is None else ["cost"])]
    parts = [
        f"study {plan.study} on {plan.gpu} ({gpu.memory_gb:g} GB,"
        f" {gpu.bf16_tflops:g} TFLOP/s in bfloat16 and {gpu.fp32_tflops:g} in float32,"
        f" {gpu.bandwidth_tb_s:g} TB/s)",
        _table(head, [_cost_cells(plan, row) for row in plan.rows]),
        _totals(plan),
        "GB on each GPU of the job of each kind that holds most:",
        _table(MEMORY, _memory_cells(plan.rows)),
        _fit(plan),
        *([_reality(plan)] if plan.compared or plan.left_out else []),
        _reckoned(plan, assumed, dtype),
    ]
    return "\n\n".join(parts)


def facts(plan: Estimate) -> dict[str, Any]:
    """Return a plan as JSON's types, histograms by their mean, p95 and longest."""
    found = asdict(plan)
    for row, shown in zip(plan.rows, found["rows"], strict=True):
        shown["reads"], shown["writes"] = _short(row.reads), _short(row.writes)
    found["device"] = plan.device.model_dump()
    totals = {"gpu_hours": plan.gpu_hours, "disk": plan.disk, "cost": plan.cost}
    return {**found, "totals": totals}


def _short(tokens: Tokens | None) -> dict[str, Any] | None:
    names = ("mean", "p95", "longest", "measured", "source")
    return None if tokens is None else {n: getattr(tokens, n) for n in names}


def _cost_cells(plan: Estimate, row: EqualJobs) -> list[str]:
    known = row.jobs > row.unknown
    figures = [row.flops / 1e15, row.gpu_hours, row.disk / GB]
    if plan.price is not None:
        figures.append(row.gpu_hours * plan.price)
    number = f"{row.jobs}" + (f" ({row.unknown} not known)" if row.unknown else "")
    return [
        row.kind,
        row.what,
        number,
        *_lengths(row.reads),
        *_lengths(row.writes),
        *(_number(figure) if known else BLANK for figure in figures),
    ]


def _lengths(tokens: Tokens | None) -> list[str]:
    if tokens is None or not tokens.rows:
        return [BLANK] * 3
    mark = "" if tokens.measured else "~"
    return [f"{mark}{value:.0f}" for value in (tokens.mean, tokens.p95, tokens.longest)]


def _totals(plan: Estimate) -> str:
    count, hours = plan.starts
    money = ""
    if plan.cost is not None:
        money = f", {_number(plan.cost)} in money at {plan.price:g} a GPU-hour"
    unknown = sum(row.unknown for row in plan.rows)
    rest = f", without {unknown} jobs of which too little is known:" if unknown else "."
    lines = [
        "Lengths are tokens: mean, p95 and longest; ~ stands before what is assumed.",
        *(
            f"1000 requests of {name} take {_number(each)} GPU-hours of its maker."
            for name, each in plan.per_thousand.items()
        ),
        *(_sent(name, sent) for name, sent in plan.endpoints.items()),
        f"Starting {count} processes that load a model: {_number(hours)} GPU-hours.",
        f"Weights of bases and judges: {_number(plan.fetched / GB)} GB of disk;"
        f" checkpoints while a training runs: {_number(plan.scratch / GB)} GB at most.",
        f"In all: {_number(plan.gpu_hours)} GPU-hours, {_number(plan.disk / GB)} GB of"
        f" disk{money}{rest}",
        *(f"  {row.kind} {row.what}: {row.why}" for row in plan.rows if row.why),
    ]
    return "\n".join(lines)


def _sent(judge: str, sent: Requests) -> str:
    bound = "" if sent.hours is None else f", {_number(sent.hours)} hours at least"
    more = f", without {sent.unknown} cells that are not known" * bool(sent.unknown)
    return (
        f"{judge} sends its endpoint {sent.number:,} requests{more}:"
        f" {_number(sent.reads / 1e6)} million tokens, and at most"
        f" {_number(sent.writes / 1e6)} million in answers{bound}."
    )


def _memory_cells(rows: Iterable[EqualJobs]) -> list[list[str]]:
    """Return a line for each kind of job, once where several are alike."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if row.memory is not None:
            parts = asdict(row.memory).values()
            sizes = [_number(size / GB) if size else BLANK for size in parts]
            total = _number(row.memory.total / GB)
            key = (row.kind, *sizes, total, "yes" if row.fits else "NO")
            alike.setdefault(key, []).append(row.what)
    return [[key[0], ", ".join(names), *key[1:]] for key, names in alike.items()]


def _fit(plan: Estimate) -> str:
    if plan.problems:
        return _listed("These jobs do not fit and are refused:", plan.problems)
    room = f"{_number(usable(plan.device) / GB)} of {plan.device.memory_gb:g} GB"
    fits = f"Every job whose model is known fits: {room} can be used."
    if any(row.served for row in plan.rows):
        fits += (
            " What a server holds that runs already (`kind: address`) is not looked at;"
            " its work is counted as if it were done here."
        )
    return fits


def _reality(plan: Estimate) -> str:
    head = ["jobs", "number", "planned s", "real s", "ratio", "tokens/s", "MFU", ""]
    cells = []
    for found in plan.compared:
        figures = (found.planned, found.seconds, found.ratio, found.tokens_a_second)
        shown = [BLANK if value is None else _number(value) for value in figures]
        reached = BLANK if found.mfu is None else f"{found.mfu:.3f}"
        cells.append([found.kind, str(found.jobs), *shown, reached, found.why])
    left_out = [f"Left out: {sentence}." for sentence in plan.left_out]
    title = "Plan and reality of finished jobs:"
    return "\n".join([title, _table(head, cells), *left_out])


def _reckoned(plan: Estimate, assumed: Assumed, dtype: str) -> str:
    sentences = [
        *(
            f"{kind} reaches {share.value:.3g} of its limit ({share.source})"
            for kind, share in plan.shares.items()
        ),
        "N parameters cost 2N FLOPs a token forward, 4N backward, 2N where they are"
        " frozen under an adapter, 2N again with gradient_checkpointing; attention's"
        " own products are left out",
        "a pair's prompt is read once for both answers, and what rows of a chunk begin"
        " with once a chunk; rows of a step are sorted by length but for aot, aotp and"
        " kto, micro-batches are padded to their longest row, and scored rows count as"
        " if nothing were padded",
        "one reference serves all methods and seeds that start from the same model",
        f"answers are written by engines in {dtype}, {BYTES[dtype]} bytes a number; a"
        " step takes the longer of moving weights and cache and of computing, and with"
        f" transformers at least {assumed.step_ms:g} ms a layer (assumed)",
        f"a chat template adds {assumed.template} tokens and a guard's"
        f" {assumed.guard}; {assumed.unsafe:.0%} of answers get a category line"
        " (assumed, where prompts are not measured)",
        f"a process starts in {assumed.start_seconds:g} s and reads weights at"
        f" {assumed.load_gb_s:g} GB/s (assumed)",
        f"{USABLE:.0%} of a GPU's memory can be used (assumed); each job has its GPU"
        " for itself, and sequences as long as max_length",
        *_grouped(plan.sources),
    ]
    return _listed("How it was reckoned:", sentences)


def _grouped(sources: Iterable[str]) -> list[str]:
    """Say what several files and models have in common once."""
    groups: dict[str, list[str]] = {}
    for source in sources:
        said, _, name = source.rpartition(": ")
        groups.setdefault(said, []).append(name)
    return [
        f"{said}: {some(names)}" if said else names[0] for said, names in groups.items()
    ]


def _listed(head: str, sentences: Iterable[str]) -> str:
    return "\n- ".join([head, *sentences])


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return columns of text: the first two to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    shown = []
    for cells in (head, *lines):
        pairs = list(zip(cells, widths, strict=True))
        left = [cell.ljust(width) for cell, width in pairs[:2]]
        right = [cell.rjust(width) for cell, width in pairs[2:]]
        shown.append("  ".join([*left, *right]).rstrip())
    return "\n".join(shown)


def _number(value: float) -> str:
    """Return three digits, without an exponent."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 or not value else "<0.001"
