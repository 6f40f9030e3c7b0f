"""Definitions of the methods: formula, source, and settings that are refused.

The names are those of arXiv 2409.07772, the formulas those of TRL at that time, which
the paper's list of methods equals; later TRL releases renamed or dropped some of them
(`aot_pair`, `kto_pair`, smoothing in `sigmoid`), so a name here stands for a formula
and a golden test compares what the trainer really optimises with it.

Notation: pi is the policy, ref the start model, frozen; log-probabilities are sums
over the tokens of an answer; r_w = log pi(y_w|x) - log ref(y_w|x), r_l likewise;
h = r_w - r_l; s = log sigmoid; b = beta; e = label_smoothing; n_w, n_l = tokens of an
answer. Losses are means over the pairs of a step unless said otherwise.

dpo: -s(b h)
    Rafailov et al. 2023, arXiv 2305.18290, eq. 7
rdpo: [-(1-e) s(b h) + e s(-b h)] / (1 - 2e)
    Chowdhury et al. 2024, arXiv 2403.00409
ipo: (r_w / n_w - r_l / n_l - 1 / (2b))^2
    Azar et al. 2023, arXiv 2310.12036, eq. 17, per token (its authors' code)
slic: max(0, 1 - b h)
    Zhao et al. 2023, arXiv 2305.10425, in the form of arXiv 2309.06657
kto: 1 - sigmoid(b (r_w - z)) for a chosen and 1 - sigmoid(b (z - r_l)) for a rejected
    answer; z = max(0, mean of log pi - log ref over mismatched prompts and answers of
    the micro-batch), without gradient
    Ethayarajh et al. 2024, arXiv 2402.01306, eq. 7
exo: p [log p - log(1-e)] + (1-p) [log(1-p) - log e]; p = sigmoid(b h)
    Ji et al. 2024, arXiv 2402.00856, eq. 16
nca: -s(b r_w) - s(-b r_w) / 2 - s(-b r_l) / 2
    Chen et al. 2024, arXiv 2402.05369, pair form
sppo: (r_w - 1 / (2b))^2 + (r_l + 1 / (2b))^2
    Wu et al. 2024, arXiv 2405.00675, eq. 4.7 with hard labels
aot: -(1-e) s(b d) - e s(-b d); d = sort(log pi_w - log pi_l)
    - sort(log ref_w - log ref_l), sorted over the micro-batch
    Melnyk et al. 2024, arXiv 2406.05882, paired
aotp: -(1-e) s(b d) - e s(-b d); d = sort(r_w) - sort(r_l), sorted over the micro-batch
    Melnyk et al. 2024, arXiv 2406.05882; TRL's `aot_pair` of that time, now
    `aot_unpaired`
orpo: -l_w - b s(l_w - l_l - [log(1 - exp l_w) - log(1 - exp l_l)]); l = mean
    log-probability of an answer's tokens
    Hong et al. 2024, arXiv 2403.07691, eq. 4 and 7
sft: minus the mean log-probability of the chosen answers' tokens in a step
    control: maximum likelihood on the chosen answers
reward: -s(r(x, y_w) - r(x, y_l)); r = the model's one output, after the answer
    Bradley & Terry 1952; Ouyang et al. 2022, arXiv 2203.02155, eq. 1

Imports nothing heavy: a study is checked while it is planned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # safegrid.config imports this module while it is being loaded
    from safegrid.config.training import Recipe

Trainer = Literal["dpo", "kto", "orpo", "sft", "reward"]


@dataclass(frozen=True)
class Method:
    """A training objective.

    Attributes:
        name: as studies write it.
        title: as tables print it.
        loss_type: TRL 1.16's name of the loss inside its trainer.
        trainer: the family of TRL trainer that optimises it.
        reference: whether the start model's log-probabilities enter the loss.
        beta: whether the loss has a beta.
        smoothing: `none`: label smoothing would be ignored; `optional`: it enters
            the loss; `needed`: at zero this would silently be another method.
        across: whether the loss looks across the pairs of a micro-batch, so that
            accumulating eight micro-batches of one is not one micro-batch of eight.
        answers: whether its models answer; a reward model's give scores.
    """

    name: str
    title: str
    loss_type: str
    trainer: Trainer = "dpo"
    reference: bool = True
    beta: bool = True
    smoothing: Literal["none", "optional", "needed"] = "none"
    across: bool = False
    answers: bool = True


_ALL = [
    Method("dpo", "DPO", "sigmoid"),
    Method("rdpo", "rDPO", "robust", smoothing="needed"),
    Method("ipo", "IPO", "ipo"),
    Method("slic", "SLiC", "hinge"),
    Method("kto", "KTO", "kto", trainer="kto", across=True),
    Method("exo", "EXO", "exo_pair", smoothing="needed"),
    Method("nca", "NCA", "nca_pair"),
    Method("sppo", "SPPO", "sppo_hard"),
    Method("aot", "AOT", "aot", smoothing="optional", across=True),
    Method("aotp", "AOTp", "aot_unpaired", smoothing="optional", across=True),
    Method("orpo", "ORPO", "orpo", trainer="orpo", reference=False),
    Method("sft", "SFT", "nll", trainer="sft", reference=False, beta=False),
    Method(
        "reward",
        "Reward model",
        "bradley_terry",
        trainer="reward",
        reference=False,
        beta=False,
        answers=False,
    ),
]
METHODS = {method.name: method for method in _ALL}

# What a method silently is at zero smoothing, and in a micro-batch of one pair.
_WITHOUT_SMOOTHING = {
    "rdpo": "is DPO; the paper's software suggests 0.1",
    "exo": "has no finite loss; its authors use 0.001",
}
_SORTED = "it sorts over the micro-batch, and with one pair it is DPO"
_ALONE = {
    "aot": _SORTED,
    "aotp": _SORTED,
    "kto": "it estimates its KL term from mismatched prompts and answers of the"
    " micro-batch, and a single pair has none",
}


def check_method(recipe: "Recipe") -> Iterator[str]:
    """Tell which settings would make a method another one, or would be ignored.

    One sentence a problem, each naming the setting, its value and what to do. The
    recipe is resolved; its method may be any name.
    """
    method, training = METHODS.get(recipe.method), recipe.training
    if method is None:
        yield f"method {recipe.method!r} is none of {', '.join(METHODS)}"
        return
    beta = training.beta
    if method.beta and beta is None:
        yield f"beta is missing: {method.title} has none by itself; set one above 0"
    if not method.beta and beta is not None:
        yield f"beta {beta:g} would be ignored: {method.title} has none; remove it"
    yield from _check_smoothing(method, training.label_smoothing)
    if method.across and training.per_device_train_batch_size == 1:
        why = _ALONE.get(
            method.name, "its loss looks across the pairs of a micro-batch"
        )
        yield (
            f"per_device_train_batch_size 1: {method.title}: {why};"
            " use at least 2 (8 or more is better)"
        )
    if training.lora is not None:
        yield from _check_targets(method, training.lora.target_modules)


def _check_smoothing(method: Method, value: float) -> Iterator[str]:
    if method.smoothing == "needed" and value == 0:
        why = _WITHOUT_SMOOTHING.get(method.name, "is another method")
        yield f"label_smoothing 0: {method.title} without smoothing {why}"
    if method.smoothing == "none" and value != 0:
        hint = "; for DPO with label noise use rdpo" if method.name == "dpo" else ""
        yield (
            f"label_smoothing {value:g} would be ignored: {method.title} has none;"
            f" set it to 0{hint}"
        )


def _check_targets(method: Method, targets: Sequence[str]) -> Iterator[str]:
    if not method.answers and "score" in targets:
        yield (
            "lora.target_modules names score: the head of a reward model is trained"
            " whole beside every adapter; remove it"
        )
    elif "lm_head" in targets:
        yield (
            "lora.target_modules names lm_head: the log-probabilities are computed from"
            " the head's own weights, so an adapter there would never be trained;"
            " remove it"
        )
