"""Reward models of our own: trained, loaded, served, and read by a judge."""

import json

import pytest

from made_up_training import LORA, curve, make_recipe, preferences
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.errors import DataError
from safegrid.core.records import PAIRS
from safegrid.models.checkpoints import load_model
from safegrid.models.templates import ChatTokenizer
from safegrid.train.tokenize import close_conversations

pytestmark = pytest.mark.slow


def scores(stack, rows):
    """What a loaded reward model gives each row, one forward a row."""
    import torch

    model = load_model(stack, head="classify")
    with torch.no_grad():
        outputs = [model(input_ids=torch.tensor([row])).logits for row in rows]
    assert {tuple(output.shape) for output in outputs} == {(1, 1)}
    return [float(output) for output in outputs]


def conversations(pairs, base):
    """Both conversations of every pair, the chosen ones first."""
    frame = close_conversations(read_table(pairs, PAIRS), base)
    prompts = frame["prompt_ids"].to_list()
    return [
        prompt + answer
        for side in ("chosen_ids", "rejected_ids")
        for prompt, answer in zip(prompts, frame[side].to_list(), strict=True)
    ]


def accuracy(given):
    half = len(given) // 2
    right = [a > b for a, b in zip(given[:half], given[half:], strict=True)]
    return sum(right) / half


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_reward_model_learns_which_answer_is_better(lora, run, base, pairs):
    recipe = make_recipe(
        "reward", max_steps=24, learning_rate=1e-2 if lora else 3e-3, lora=lora
    )
    out = run(recipe)
    assert curve(out, "loss")[-1] < 0.1 < 0.3 < curve(out, "loss")[0]
    assert curve(out, "accuracy")[-1] == 1.0
    assert curve(out, "margin")[-1] > 1
    facts = read_manifest(out)
    assert facts["checks"]["masks"] == "none"
    assert "largest_log_ratio" not in facts["checks"]
    assert json.loads((out / "config.json").read_text())["id2label"] == {"0": "LABEL_0"}
    rows = conversations(pairs, base)
    stack = [base, out] if lora else [out]
    assert accuracy(scores(stack, rows)) > 0.95


def test_an_adapter_with_a_head_stands_on_a_merged_chain_as_it_was_trained(
    run, base, pairs, monkeypatch
):
    import torch

    from safegrid.train import save

    first = run(make_recipe("sft", lora=LORA), "first")
    rows = conversations(pairs, base)[:8]
    given: list[float] = []
    whole = save.gather_weights

    def look(trainer):
        trainer.model.eval()
        with torch.no_grad():
            for row in rows:
                ids = torch.tensor([row])
                given.append(float(trainer.model(input_ids=ids).logits))
        return whole(trainer)

    monkeypatch.setattr(save, "gather_weights", look)
    recipe = make_recipe("reward", lora=LORA)
    second = run(recipe, "second", stack=[base, first])
    assert scores([base, first, second], rows) == pytest.approx(given, abs=1e-5)
    assert scores([base, second], rows) != pytest.approx(given, abs=1e-3)
    with pytest.raises(DataError, match="brings no head"):
        load_model([base, first], head="classify")


def test_the_runs_seed_rules_the_heads_first_values(base):
    import torch

    from safegrid.models.checkpoints import score_config, with_score_head

    def head(seed):
        model = load_model([base])
        scorer = with_score_head(model, score_config(model, 0), seed)
        assert scorer.base_model is model.base_model
        return scorer.score.weight

    state = torch.random.get_rng_state()
    assert torch.equal(head(1), head(1))
    assert not torch.equal(head(1), head(2))
    # The base's initializer_range is 0.2.
    assert 0.1 < float(head(1).detach().std()) < 0.3
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_family_without_a_classifier_is_told():
    from transformers import MambaConfig

    from safegrid.models.checkpoints import with_score_head

    with pytest.raises(DataError, match="no sequence classifier of family 'mamba'"):
        with_score_head(None, MambaConfig())


def test_a_judge_reads_what_the_reward_model_was_trained_on(base, pairs):
    from safegrid.config import JudgeSpec
    from safegrid.judge.classifier import read_scores
    from safegrid.judge.items import Item

    frame = preferences(64)
    items = [
        Item(row["pair_id"], 0, [{"role": "user", "content": row["prompt"]}], row[side])
        for side in ("chosen", "rejected")
        for row in frame.iter_rows(named=True)
    ]
    seen: list[list[int]] = []

    class Asked:
        def values(self, name, rows):
            seen.extend(rows)
            return [[float(number)] for number, _ in enumerate(rows)]

    spec = JudgeSpec(name="own", kind="reward")
    read_scores(spec, ChatTokenizer.load(base), items)(Asked())
    assert seen == conversations(pairs, base)
    # The template's newline after the turn's end is among it.
    assert ChatTokenizer.load(base).decode(seen[0], False).endswith("</s>\n")
