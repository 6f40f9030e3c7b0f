"""One row a pair: a prompt is computed once for both of its answers.

A collator of pairs gives every answer a row of its own, behind a copy of its prompt,
filled up to the longest. Here a row is a prompt, then both answers, each of which sees
the prompt and itself: (p - 1) + c + r positions in place of 2 max(p + c, p + r). The
values are those of the copies, within rounding. (Krishna et al. 2024, arXiv 2410.20305)

TRL's losses read values by answer, so these go back to where the copies stand.
"""

import types
from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel
from trl.trainer.utils import FusedCausalLMOutput

Example = dict[str, Any]

# What a position belongs to. Fillings see themselves, so that no softmax is empty.
PROMPT, CHOSEN, REJECTED, FILLING = range(4)
# Held to the copies by test. Others may decay with distance or keep a state, which a
# mask does not rule.
TESTED = {
    *("falcon", "gemma", "llama", "mistral", "mixtral", "olmo", "olmo2"),
    *("phi3", "qwen2", "qwen3"),
}
ATTENTION = {"full_attention", "sliding_attention"}
FIELDS = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")


def can_share(model: PreTrainedModel, longest: int) -> bool:
    """Whether a model takes masks of ours for rows of up to `longest` tokens."""
    config = model.config
    window = getattr(config, "sliding_window", None)
    return (
        config.model_type in TESTED
        and config._attn_implementation == "sdpa"
        and set(getattr(config, "layer_types", None) or ()) <= ATTENTION
        and (window is None or longest <= window)
        and not getattr(config, "alibi", False)
    )


def with_layout(
    collator: Callable[[list[Example]], Example],
) -> Callable[[list[Example]], Example]:
    """Return a collator of pairs whose batches say how their rows are shared.

    To a batch of m pairs, rows `(2m, s)`, chosen ones first, it adds `sources`,
    `(m, n)`: places in the flattened batch, and `segments`, `(m, n)`: what each belongs
    to. An answer begins at the prompt's last token, whose output is its first token,
    and ends before its own last, whose output nobody reads.
    """

    def collate(examples: list[Example]) -> Example:
        batch = collator(examples)
        width = batch["input_ids"].shape[1]
        rows = []
        for number, example in enumerate(examples):
            before = len(example["prompt_ids"]) - 1
            parts = [(PROMPT, number * width, before)]
            for side, row in ((CHOSEN, number), (REJECTED, len(examples) + number)):
                name = "chosen_ids" if side == CHOSEN else "rejected_ids"
                parts.append((side, row * width + before, len(example[name])))
            rows.append(parts)
        return {**batch, **_filled(rows)}

    return collate


def _filled(rows: list[list[tuple[int, int, int]]]) -> dict[str, torch.Tensor]:
    """Return rows of (segment, first place, places), filled to the longest."""
    longest = max(sum(count for _, _, count in parts) for parts in rows)
    sources = torch.zeros(len(rows), longest, dtype=torch.long)
    segments = torch.full((len(rows), longest), FILLING)
    for row, parts in enumerate(rows):
        start = 0
        for segment, first, count in parts:
            sources[row, start : start + count] = torch.arange(first, first + count)
            segments[row, start : start + count] = segment
            start += count
    return {"sources": sources, "segments": segments}


def visible(segments: torch.Tensor) -> torch.Tensor:
    """Return which positions each one sees, `(m, 1, n, n)`: prompt and own answer."""
    count = segments.shape[1]
    earlier = torch.ones(count, count, dtype=torch.bool, device=segments.device).tril()
    theirs, own = segments[:, None, None, :], segments[:, None, :, None]
    return earlier & ((theirs == PROMPT) | (theirs == own))


def share_prompts(model: PreTrainedModel) -> None:
    """Let a model with TRL's fused head take batches of `with_layout`.

    A call without `sources` is what it was.
    """
    plain = model.forward

    def forward(
        self: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        sources: torch.Tensor | None = None,
        segments: torch.Tensor | None = None,
        **options: Any,
    ) -> Any:
        if sources is None or segments is None:
            given = {"attention_mask": attention_mask, "labels": labels}
            return plain(input_ids=input_ids, **given, **options)
        ids, width = input_ids.flatten(), input_ids.shape[1]
        answers = (segments == CHOSEN) | (segments == REJECTED)
        # Fillings and prompts name a place as well; their labels are not used.
        following = ids[(sources + 1).clamp(max=len(ids) - 1)]
        found = plain(
            input_ids=ids[sources],
            attention_mask=visible(segments),
            position_ids=sources % width,
            shift_labels=following.masked_fill(~answers, -100),
            **options,
        )
        return _by_answer(found, sources[answers], answers, input_ids.shape)

    model.forward = types.MethodType(forward, model)


def _by_answer(
    found: Any, sources: torch.Tensor, answers: torch.Tensor, shape: torch.Size
) -> FusedCausalLMOutput:
    """Put values by position of shared rows to where the copies have them.

    `shape` is that of the batch, `(2m, s)`; values become `(2m, s - 1)`.
    """
    rows, width = shape
    places = sources - sources // width  # a row has one value less than tokens

    def spread(values: torch.Tensor | None) -> torch.Tensor | None:
        if values is None:
            return None
        empty = values.new_zeros(rows * (width - 1))
        return empty.scatter(0, places, values[answers]).view(rows, width - 1)

    fields = {name: spread(getattr(found, name)) for name in FIELDS}
    return FusedCausalLMOutput(**fields, aux_loss=found.aux_loss)
