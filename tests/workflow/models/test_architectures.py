"""Every family's architecture through a preference step and through our engine."""

import polars as pl
import pytest

from engines import launch_spec, plain_generate, request
from safegrid.core.artifacts import read_manifest, read_table
from safegrid.core.records import HISTORY, PAIRS, REFERENCE
from safegrid.engine.decode import generate
from safegrid.engine.model import load
from safegrid.engine.scoring import Question, classify, score
from safegrid.models.templates import ChatTokenizer
from safegrid.train import reference as references
from safegrid.train.reference import compute_reference
from safegrid.train.tokenize import end_ids

from .conftest import save_model, trained, write_pairs

LORA = {"r": 4, "lora_alpha": 8}
ONE_STEP = {"max_steps": 1, "learning_rate": 1e-2}
# The names of every family's attention; peft takes those that a model has.
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj", "query_key_value", "dense"]
# One family of each architecture, for what no tokenizer has a part in. Of those that
# are Llama's, one whose padding is a token that all texts have too.
ARCHITECTURES = ["falcon", "gemma_2", "mistral", "mixtral", "olmo", "qwen2", "smollm2"]
each_architecture = pytest.mark.parametrize(
    "family", ARCHITECTURES, indirect=True, scope="session"
)


@pytest.fixture(scope="session")
def pairs(model_folder, tmp_path_factory):
    return write_pairs(model_folder, tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def reference(model_folder, pairs):
    out = pairs.parent / "reference.parquet"
    compute_reference(pairs, [model_folder], "float32", 4, out)
    return out


def answers(model, pairs, most):
    prompts = prompts_of(pairs)
    return generate(model, request(prompts, max_tokens=most))


def scores_of(model, answers):
    asked = [Question(a.prompt + a.ids, len(a.prompt), False) for a in answers]
    return score(model, asked, 0)


def prompts_of(pairs):
    return read_table(pairs, PAIRS)["prompt_ids"].to_list()


@each_architecture
def test_matrices_in_bfloat16_change_no_bit_of_a_reference(
    model_folder, pairs, tmp_path, monkeypatch
):
    halve, seen, found = references.halve, [], []
    for change in (halve, lambda model: None):
        monkeypatch.setattr(
            references,
            "halve",
            lambda m, change=change: (change(m), seen.append(str(m.state_dict()))),
        )
        out = tmp_path / f"{len(seen)}.parquet"
        compute_reference(pairs, [model_folder], "bfloat16", 4, out)
        found.append(read_table(out, REFERENCE))
    assert ["bfloat16" in weights for weights in seen] == [True, False]
    assert found[0].equals(found[1])


def test_no_architecture_is_left_out(families):
    kinds = {family.architecture for family in families.values()}
    assert {families[name].architecture for name in ARCHITECTURES} == kinds


@each_architecture
@pytest.mark.parametrize("lora", [None, LORA])
def test_a_reward_model_is_served_as_it_was_trained(
    model_folder, pairs, tmp_path, lora
):
    """Each family's body takes a head, with an adapter too; padding changes nothing."""
    import torch

    lora = lora and {**lora, "target_modules": ATTENTION}
    out = trained(model_folder, pairs, tmp_path, "reward", **ONE_STEP, lora=lora)
    stack = [model_folder, out] if lora else [out]
    model = load(launch_spec(*stack, head="classify"))
    rows = [ids + ids[1:] * (i % 3) for i, ids in enumerate(prompts_of(pairs))]
    found = classify(model, rows, False)
    alone = [classify(model, [row], False)[0] for row in rows]
    assert torch.tensor(found).shape == (len(rows), 1)
    assert found == [pytest.approx(values, abs=1e-4) for values in alone]
    assert len({round(value, 6) for [value] in found}) > 1


def test_padding_changes_neither_answers_nor_log_probabilities(model_folder, pairs):
    together = load(launch_spec(model_folder))
    alone = load(launch_spec(model_folder, batch_size=1))
    batched, single = (answers(model, pairs, 12) for model in (together, alone))
    assert [a.ids for a in batched] == [a.ids for a in single]
    scores = (scores_of(model, batched) for model in (together, alone))
    for first, second in zip(*scores, strict=True):
        assert first.logprobs == pytest.approx(second.logprobs, abs=1e-4)
    for answer in batched:
        assert answer.ids == plain_generate(together, answer.prompt, 12)


def test_reference_and_engine_agree_on_every_answer(model_folder, pairs, reference):
    model = load(launch_spec(model_folder))
    rows = read_table(pairs, PAIRS).join(
        read_table(reference, REFERENCE), on="pair_id", suffix="_logp"
    )
    for side in ("chosen", "rejected"):
        questions = [
            Question(
                row["prompt_ids"] + row[f"{side}_ids"], len(row["prompt_ids"]), False
            )
            for row in rows.iter_rows(named=True)
        ]
        sums = [sum(found.logprobs) for found in score(model, questions, 1)]
        assert rows[side].to_list() == pytest.approx(sums, abs=2e-3)


def test_generation_ends_with_the_tokens_that_training_ends_with(model_folder):
    model = load(launch_spec(model_folder))
    chat = ChatTokenizer.load(model_folder)
    assert model.ends == end_ids(model_folder, chat)


@each_architecture
@pytest.mark.parametrize("lora", [None, LORA], ids=["full", "lora"])
def test_a_preference_step_moves_the_model_and_it_answers(
    model_folder, pairs, reference, tmp_path, lora
):
    settings = {**ONE_STEP, "reference": reference, "lora": lora}
    out = trained(model_folder, pairs, tmp_path, **settings)
    assert read_manifest(out)["checks"]["largest_log_ratio"] < 5e-3
    losses = read_table(out / "history.parquet", HISTORY).filter(
        pl.col("metric") == "loss"
    )
    assert losses["value"][0] == pytest.approx(0.6931, abs=1e-3)
    stack = [model_folder, out] if lora else [out]
    before, after = load(launch_spec(model_folder)), load(launch_spec(*stack))
    assert all(answer.ids for answer in answers(after, pairs, 6))
    prompt = prompts_of(pairs)[0]
    question = [Question([*prompt, 5, 6], len(prompt), False)]
    [old], [new] = (score(m, question, 1) for m in (before, after))
    assert old.logprobs != pytest.approx(new.logprobs, abs=1e-4)


@each_architecture
def test_lora_bfloat16_checkpointing_and_accumulation_go_together(
    model_folder, pairs, tmp_path
):
    shared = tmp_path / "reference.parquet"
    compute_reference(pairs, [model_folder], "bfloat16", 2, shared)
    settings = {"precision": "bfloat16", "gradient_checkpointing": True}
    settings |= {"per_device_train_batch_size": 2, "max_steps": 2}
    lora = {**LORA, "lora_dropout": 0.1, "target_modules": ATTENTION}
    common = {**ONE_STEP, "reference": shared, "lora": lora}
    out = trained(model_folder, pairs, tmp_path, **common | settings)
    assert read_manifest(out)["accumulate"] == 4
    assert answers(load(launch_spec(model_folder, out)), pairs, 4)


def test_an_adapters_dropout_before_experts_is_refused_in_words(families, tmp_path):
    import transformers

    from safegrid.config.training import Lora
    from safegrid.core.errors import TrainingError
    from safegrid.train.trainers.common import lora_config

    folder = save_model(families["mixtral"], tmp_path / "model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    lora = Lora(r=4, lora_alpha=8, lora_dropout=0.1)
    with pytest.raises(TrainingError, match=r"lora\.lora_dropout 0\.1.*set it to 0"):
        lora_config(lora, model)
    assert lora_config(lora.model_copy(update={"lora_dropout": 0.0}), model) is not None
    experts = lora.model_copy(update={"target_modules": ["w1", "w2", "w3"]})
    with pytest.raises(TrainingError, match=r"lora\.lora_dropout 0\.1.*set it to 0"):
        lora_config(experts, model)
    # Two of the three stand in one tensor, which an adapter is for as a whole.
    first = Lora(r=4, lora_alpha=8, target_modules=["w1"])
    with pytest.raises(TrainingError, match=r"lora\.target_modules \['w1'\].*fused"):
        lora_config(first, model)


@each_architecture
def test_merged_and_unmerged_adapters_give_the_same_answers(
    model_folder, pairs, tmp_path
):
    import torch
    from peft import LoraConfig, PeftModel, get_peft_model

    from safegrid.models.checkpoints import load_model

    torch.manual_seed(0)
    config = LoraConfig(r=4, init_lora_weights=False, target_modules="all-linear")
    get_peft_model(load_model([model_folder]), config).save_pretrained(tmp_path)
    unmerged = PeftModel.from_pretrained(load_model([model_folder]), str(tmp_path))
    engine = load(launch_spec(model_folder, tmp_path))
    assert not any("lora" in name for name, _ in engine.network.named_parameters())
    found = answers(engine, pairs, 8)
    for answer, scored in zip(found, scores_of(engine, found), strict=True):
        with torch.inference_mode():
            logits = unmerged(torch.tensor([answer.prompt + answer.ids])).logits[0]
        table = logits[len(answer.prompt) - 1 : -1].log_softmax(-1)
        assert table.argmax(-1).tolist() == answer.ids
        ids = torch.tensor(answer.ids)[:, None]
        assert table.gather(1, ids)[:, 0].tolist() == pytest.approx(
            scored.logprobs, abs=1e-3
        )
