"""Golden test: what each trainer really optimises against the formula of its method.

The expected values are computed here in float64 from the formulas in the papers, by
plain logits of a copy of the model, without TRL. The policy is away from its reference,
answers differ in length, and gradients are compared as well as losses.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace

import polars as pl
import pytest
import torch
from torch import Tensor

from made_up_training import make_recipe
from safegrid.config.methods import METHODS
from safegrid.core.artifacts import read_table
from safegrid.core.records import PAIRS
from safegrid.models.checkpoints import load_model
from safegrid.train.plan import make_plan
from safegrid.train.rows import unpair

SIZE = 5
RANDOM = torch.Generator().manual_seed(3)


def s(x):
    """Logarithm of the sigmoid."""
    return -torch.log1p(torch.exp(-x))


def smoothed(b, e, d):
    return -(1 - e) * s(b * d) - e * s(-b * d)


def exo(v):
    p = torch.sigmoid(v.b * (v.rw - v.rl))
    first = p * (torch.log(p) - math.log(1 - v.e))
    return first + (1 - p) * (torch.log(1 - p) - math.log(v.e))


def aot(v):
    policy = torch.sort(v.pw - v.pl).values
    return smoothed(v.b, v.e, policy - torch.sort(v.qw - v.ql).values)


def orpo(v):
    w, l_ = v.pw / v.nw, v.pl / v.nl
    odds = w - l_ - (torch.log(1 - torch.exp(w)) - torch.log(1 - torch.exp(l_)))
    return -w - v.b * s(odds)


# One loss a pair; the loss of a batch is their mean. b, e: beta and smoothing; pw, pl:
# policy's, qw, ql: reference's summed log-probabilities; rw, rl: their differences;
# nw, nl: lengths.
FORMULAS: dict[str, Callable[[SimpleNamespace], Tensor]] = {
    "dpo": lambda v: -s(v.b * (v.rw - v.rl)),
    "rdpo": lambda v: (
        (-(1 - v.e) * s(v.b * (v.rw - v.rl)) + v.e * s(-v.b * (v.rw - v.rl)))
        / (1 - 2 * v.e)
    ),
    "ipo": lambda v: (v.rw / v.nw - v.rl / v.nl - 1 / (2 * v.b)) ** 2,
    "slic": lambda v: torch.clamp(1 - v.b * (v.rw - v.rl), min=0),
    "exo": exo,
    "nca": lambda v: -s(v.b * v.rw) - s(-v.b * v.rw) / 2 - s(-v.b * v.rl) / 2,
    "sppo": lambda v: (v.rw - 1 / (2 * v.b)) ** 2 + (v.rl + 1 / (2 * v.b)) ** 2,
    "aot": aot,
    "aotp": lambda v: smoothed(
        v.b, v.e, torch.sort(v.rw).values - torch.sort(v.rl).values
    ),
    "orpo": orpo,
}

SMOOTHINGS = {"none": [0.0], "optional": [0.0, 0.2], "needed": [0.2]}
CASES = [(name, e) for name in FORMULAS for e in SMOOTHINGS[METHODS[name].smoothing]]


def answer_logps(model, prompts, answers):
    """Summed log-probabilities and lengths of answers, one unpadded forward each."""
    sums = []
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = torch.tensor([prompt + answer])
        logits = model(input_ids=ids).logits[0, :-1]
        logps = logits - torch.logsumexp(logits, dim=-1, keepdim=True)
        own = logps[torch.arange(ids.shape[1] - 1), ids[0, 1:]]
        sums.append(own[len(prompt) - 1 :].sum())
    lengths = torch.tensor([len(answer) for answer in answers], dtype=torch.float64)
    return torch.stack(sums), lengths


def away(values, shift=0.0):
    """Reference values some nats away, as float32 holds them."""
    noise = 4 * torch.randn(values.shape, generator=RANDOM, dtype=torch.float64)
    return (values.detach() + shift + noise).float()


def first_batch(recipe, base, folder, rows):
    """Return the trainer, and the loss of its first batch, differentiated."""
    from transformers import AutoTokenizer

    from safegrid.train.trainers.families import build_trainer

    plan = make_plan(recipe, 0, rows, SIZE, folder)
    tokenizer = AutoTokenizer.from_pretrained(base)
    trainer = build_trainer(plan, load_model([base]), tokenizer, rows)
    examples = [trainer.train_dataset[n] for n in range(plan.forward_rows)]
    # All rows in one micro-batch: their order within it does not matter to the mean.
    assert sorted(e["row"] for e in examples) == list(range(rows.height))
    loss = trainer.compute_loss(trainer.model, trainer.data_collator(examples))
    loss.backward()
    return trainer, loss


def compare_gradients(theirs, ours):
    largest = max(float(p.grad.abs().max()) for p in ours.values())
    assert largest > 1e-4
    for name, parameter in ours.items():
        difference = (theirs[name].grad.double() - parameter.grad).abs().max()
        assert float(difference) < 1e-4 * largest, name


def compare(recipe, base, folder, rows, copy, expected):
    trainer, loss = first_batch(recipe, base, folder, rows)
    torch.testing.assert_close(loss.double(), expected.detach(), rtol=2e-5, atol=1e-6)
    expected.backward()
    theirs = dict(trainer.model.named_parameters())
    compare_gradients(theirs, dict(copy.named_parameters()))


def sized(method, **changes):
    return make_recipe(method, batch=SIZE, per_device_train_batch_size=SIZE, **changes)


@pytest.mark.parametrize(("method", "smoothing"), CASES)
def test_pair_losses_equal_their_formulas(method, smoothing, base, pairs, tmp_path):
    beta = {"ipo": 0.5, "sppo": 0.05}.get(method, 0.3)
    recipe = sized(method, beta=beta, label_smoothing=smoothing)
    frame = read_table(pairs, PAIRS)[3 : 3 + SIZE].drop("category")
    copy = load_model([base]).double()
    prompts = frame["prompt_ids"].to_list()
    pw, nw = answer_logps(copy, prompts, frame["chosen_ids"].to_list())
    pl_, nl = answer_logps(copy, prompts, frame["rejected_ids"].to_list())
    qw, ql = away(pw), away(pl_)
    values = SimpleNamespace(
        b=beta, e=smoothing, pw=pw, pl=pl_, qw=qw.double(), ql=ql.double(),
        rw=pw - qw.double(), rl=pl_ - ql.double(), nw=nw, nl=nl,
    )  # fmt: skip
    if METHODS[method].reference:
        frame = frame.with_columns(
            pl.Series("ref_chosen_logps", qw.numpy()),
            pl.Series("ref_rejected_logps", ql.numpy()),
        )
    compare(recipe, base, tmp_path, frame, copy, FORMULAS[method](values).mean())


@pytest.mark.parametrize("shift", [-8.0, 8.0])
def test_kto_equals_its_formula_with_positive_and_with_clamped_kl(
    shift, base, pairs, tmp_path
):
    recipe = sized("kto", beta=0.3)
    rows = unpair(read_table(pairs, PAIRS), SIZE, data_seed=0)[: 2 * SIZE]
    copy = load_model([base]).double()
    prompts = rows["prompt_ids"].to_list()
    policy, _ = answer_logps(copy, prompts, rows["completion_ids"].to_list())
    mismatched, _ = answer_logps(copy, prompts, rows["KL_completion_ids"].to_list())
    reference, kl_reference = away(policy), away(mismatched, shift)
    r = policy - reference.double()
    z = (mismatched - kl_reference.double()).mean().clamp(min=0).detach()
    assert (float(z) > 0) == (shift < 0)
    chosen = torch.tensor(rows["label"].to_list())
    losses = torch.where(
        chosen, 1 - torch.sigmoid(0.3 * (r - z)), 1 - torch.sigmoid(0.3 * (z - r))
    )
    rows = rows.with_columns(
        pl.Series("ref_logps", reference.numpy()),
        pl.Series("ref_KL_logps", kl_reference.numpy()),
    )
    compare(recipe, base, tmp_path, rows, copy, losses.mean())


@pytest.mark.parametrize("lora", [None, {"r": 4, "lora_alpha": 8}])
def test_a_reward_models_loss_is_bradley_terrys(lora, base, pairs, tmp_path):
    rows = read_table(pairs, PAIRS)[3 : 3 + SIZE].drop("category")
    trainer, loss = first_batch(sized("reward", lora=lora), base, tmp_path, rows)
    # The body of a copy, and the head as one vector of weights.
    copy = load_model([base]).double().base_model
    trained = trainer.model.named_parameters()
    (head,) = [p for name, p in trained if "score" in name and p.requires_grad]
    vector = head.detach().double().requires_grad_()

    def reward(prompt, answer):
        states = copy(input_ids=torch.tensor([prompt + answer])).last_hidden_state
        return states[0, -1] @ vector[0]

    prompts = rows["prompt_ids"].to_list()
    chosen, rejected = (
        torch.stack(list(map(reward, prompts, rows[side].to_list())))
        for side in ("chosen_ids", "rejected_ids")
    )
    expected = -s(chosen - rejected).mean()
    torch.testing.assert_close(loss.double(), expected.detach(), rtol=2e-5, atol=1e-6)
    expected.backward()
    compare_gradients({"head": head}, {"head": vector})
    if lora is None:
        theirs = dict(trainer.model.base_model.named_parameters())
        compare_gradients(theirs, dict(copy.named_parameters()))


def test_the_switch_that_compacts_trls_fused_head_switches_nothing_else():
    import inspect

    from trl.trainer import utils

    import safegrid.train.trainers.common  # noqa: F401

    assert utils._use_triton(None)
    assert inspect.getsource(utils).count("_use_triton(") == 1


def test_every_method_has_a_golden_value():
    assert set(FORMULAS) | {"kto", "sft", "reward"} == set(METHODS)


def test_sft_is_the_mean_over_the_chosen_answers_tokens(base, pairs, tmp_path):
    recipe = sized("sft")
    frame = read_table(pairs, PAIRS)[:SIZE].drop("category", "rejected_ids")
    copy = load_model([base]).double()
    policy, lengths = answer_logps(
        copy, frame["prompt_ids"].to_list(), frame["chosen_ids"].to_list()
    )
    assert len(set(lengths.tolist())) > 1
    compare(recipe, base, tmp_path, frame, copy, -policy.sum() / lengths.sum())
