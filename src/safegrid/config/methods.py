"""Definitions of the methods: formula, source, and settings that are refused.

The names are those of arXiv 2409.07772, the formulas those of TRL at that time, which
the paper's list of methods equals; later TRL releases renamed or dropped some of them
(`aot_pair`, `kto_pair`, smoothing in `sigmoid`), so a name here stands for a formula
and a golden test compares what the trainer really optimises with it.

Notation: pi is the policy, ref the start model, frozen; log-probabilities are sums
over the tokens of an answer; r_w = log pi(y_w|x) - log ref(y_w|x), r_l likewise;
h = r_w - r_l; s = log sigmoid; b = beta; e = label_smoothing; n_w, n_l = tokens of an
answer. Losses are means over the pairs of a step unless said otherwise.

Imports nothing heavy: a study is checked while it is planned.
"""

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
        formula: the loss of one pair, in the notation of this module.
        source: paper and equation.
        trainer: the family of TRL trainer that optimises it.
        loss_type: TRL 1.16's name of the loss inside that trainer.
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
    formula: str
    source: str
    trainer: Trainer
    loss_type: str
    reference: bool = True
    beta: bool = True
    smoothing: Literal["none", "optional", "needed"] = "none"
    across: bool = False
    answers: bool = True


METHODS: dict[str, Method] = {
    method.name: method
    for method in [
        Method(
            "dpo",
            "DPO",
            "-s(b h)",
            "Rafailov et al. 2023, arXiv 2305.18290, eq. 7",
            "dpo",
            "sigmoid",
        ),
        Method(
            "rdpo",
            "rDPO",
            "[-(1-e) s(b h) + e s(-b h)] / (1 - 2e)",
            "Chowdhury et al. 2024, arXiv 2403.00409",
            "dpo",
            "robust",
            smoothing="needed",
        ),
        Method(
            "ipo",
            "IPO",
            "(r_w / n_w - r_l / n_l - 1 / (2b))^2",
            "Azar et al. 2023, arXiv 2310.12036, eq. 17, per token (its authors' code)",
            "dpo",
            "ipo",
        ),
        Method(
            "slic",
            "SLiC",
            "max(0, 1 - b h)",
            "Zhao et al. 2023, arXiv 2305.10425, in the form of arXiv 2309.06657",
            "dpo",
            "hinge",
        ),
        Method(
            "kto",
            "KTO",
            "1 - sigmoid(b (r_w - z)) for a chosen and 1 - sigmoid(b (z - r_l)) for a"
            " rejected answer; z = max(0, mean of log pi - log ref over mismatched"
            " prompts and answers of the micro-batch), without gradient",
            "Ethayarajh et al. 2024, arXiv 2402.01306, eq. 7",
            "kto",
            "kto",
            across=True,
        ),
        Method(
            "exo",
            "EXO",
            "p [log p - log(1-e)] + (1-p) [log(1-p) - log e]; p = sigmoid(b h)",
            "Ji et al. 2024, arXiv 2402.00856, eq. 16",
            "dpo",
            "exo_pair",
            smoothing="needed",
        ),
        Method(
            "nca",
            "NCA",
            "-s(b r_w) - s(-b r_w) / 2 - s(-b r_l) / 2",
            "Chen et al. 2024, arXiv 2402.05369, pair form",
            "dpo",
            "nca_pair",
        ),
        Method(
            "sppo",
            "SPPO",
            "(r_w - 1 / (2b))^2 + (r_l + 1 / (2b))^2",
            "Wu et al. 2024, arXiv 2405.00675, eq. 4.7 with hard labels",
            "dpo",
            "sppo_hard",
        ),
        Method(
            "aot",
            "AOT",
            "-(1-e) s(b d) - e s(-b d); d = sort(log pi_w - log pi_l)"
            " - sort(log ref_w - log ref_l), sorted over the micro-batch",
            "Melnyk et al. 2024, arXiv 2406.05882, paired",
            "dpo",
            "aot",
            smoothing="optional",
            across=True,
        ),
        Method(
            "aotp",
            "AOTp",
            "-(1-e) s(b d) - e s(-b d); d = sort(r_w) - sort(r_l), sorted over the"
            " micro-batch",
            "Melnyk et al. 2024, arXiv 2406.05882; TRL's `aot_pair` of that time, now"
            " `aot_unpaired`",
            "dpo",
            "aot_unpaired",
            smoothing="optional",
            across=True,
        ),
        Method(
            "orpo",
            "ORPO",
            "-l_w - b s(l_w - l_l - [log(1 - exp l_w) - log(1 - exp l_l)]);"
            " l = mean log-probability of an answer's tokens",
            "Hong et al. 2024, arXiv 2403.07691, eq. 4 and 7",
            "orpo",
            "orpo",
            reference=False,
        ),
        Method(
            "sft",
            "SFT",
            "minus the mean log-probability of the chosen answers' tokens in a step",
            "control: maximum likelihood on the chosen answers",
            "sft",
            "nll",
            reference=False,
            beta=False,
        ),
        Method(
            "reward",
            "Reward model",
            "-s(r(x, y_w) - r(x, y_l)); r = the model's one output, after the answer",
            "Bradley & Terry 1952; Ouyang et al. 2022, arXiv 2203.02155, eq. 1",
            "reward",
            "bradley_terry",
            reference=False,
            beta=False,
            answers=False,
        ),
    ]
}

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


def check_method(recipe: "Recipe") -> list[str]:
    """Tell which settings would make a method another one, or would be ignored.

    Args:
        recipe: resolved; its method may be any name.

    Returns:
        One sentence a problem, each naming the setting, its value and what to do.
    """
    method = METHODS.get(recipe.method)
    if method is None:
        return [f"method {recipe.method!r} is none of {', '.join(METHODS)}"]
    return [
        *_check_beta(method, recipe),
        *_check_smoothing(method, recipe),
        *_check_micro_batch(method, recipe),
        *_check_lora(method, recipe),
    ]


def _check_beta(method: Method, recipe: "Recipe") -> list[str]:
    beta = recipe.training.beta
    if method.beta and beta is None:
        return [f"beta is missing: {method.title} has none by itself; set one above 0"]
    if not method.beta and beta is not None:
        return [f"beta {beta:g} would be ignored: {method.title} has none; remove it"]
    return []


def _check_smoothing(method: Method, recipe: "Recipe") -> list[str]:
    value = recipe.training.label_smoothing
    if method.smoothing == "needed" and value == 0:
        why = _WITHOUT_SMOOTHING.get(method.name, "is another method")
        return [f"label_smoothing 0: {method.title} without smoothing {why}"]
    if method.smoothing == "none" and value != 0:
        hint = "; for DPO with label noise use rdpo" if method.name == "dpo" else ""
        return [
            f"label_smoothing {value:g} would be ignored: {method.title} has none;"
            f" set it to 0{hint}"
        ]
    return []


def _check_micro_batch(method: Method, recipe: "Recipe") -> list[str]:
    if not method.across or recipe.training.per_device_train_batch_size > 1:
        return []
    why = _ALONE.get(method.name, "its loss looks across the pairs of a micro-batch")
    return [
        f"per_device_train_batch_size 1: {method.title}: {why};"
        " use at least 2 (8 or more is better)"
    ]


def _check_lora(method: Method, recipe: "Recipe") -> list[str]:
    lora = recipe.training.lora
    if lora is None:
        return []
    if not method.answers and "score" in lora.target_modules:
        return [
            "lora.target_modules names score: the head of a reward model is trained"
            " whole beside every adapter; remove it"
        ]
    if "lm_head" not in lora.target_modules:
        return []
    return [
        "lora.target_modules names lm_head: the log-probabilities are computed from the"
        " head's own weights, so an adapter there would never be trained; remove it"
    ]
