"""The architectures of the published judges that give scores, tiny and random."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BartConfig,
    DebertaV2Config,
    GPT2Config,
)

from engines import launch_spec
from safegrid.config import JudgeSpec
from safegrid.engine.model import load
from safegrid.engine.scoring import classify
from safegrid.judge.classifier import read_scores
from safegrid.judge.items import Item
from safegrid.models.templates import ChatTokenizer

WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "may", "I", "take", "it", "no", "yes"]
EXCHANGES = [("may I", "no"), ("may I take it", "yes take it [SEP]"), ("may I", "")]
SMALL: dict[str, Any] = {"vocab_size": 32, "pad_token_id": 0, "num_labels": 1}
FRAMED = processors.TemplateProcessing(
    single="[CLS] $A [SEP]",
    pair="[CLS] $A [SEP] $B [SEP]",
    special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
)
CONFIGS = {
    "deberta": DebertaV2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, type_vocab_size=0, relative_attention=True,
        pos_att_type=["p2c", "c2p"], position_buckets=8,
        position_biased_input=False, **SMALL,
    ),
    "bart": BartConfig(
        d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=2, **{**SMALL, "num_labels": 3},
    ),
    "gpt2": GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=64, **SMALL),
}  # fmt: skip


@pytest.fixture(params=CONFIGS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    tokenizer = Tokenizer(
        models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(WORDS[:4])
    if request.param != "gpt2":
        tokenizer.post_processor = FRAMED
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    settings = {"eos_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", **settings})
    )
    torch.manual_seed(5)
    config = CONFIGS[request.param]
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    return tmp_path


def test_a_published_judge_is_read_as_transformers_reads_it(folder: Path) -> None:
    pairs = (folder / "config.json").read_text().find("gpt2") < 0
    texts = ("{prompt}", "{response}") if pairs else ("I {prompt} yes {response}", None)
    spec = JudgeSpec(name="j", kind="reward", text=texts[0], text_pair=texts[1])
    items = [
        Item(str(number), 0, [{"role": "user", "content": prompt}], answer)
        for number, (prompt, answer) in enumerate(EXCHANGES)
    ]
    served = load(launch_spec(folder, head="classify"))
    found: list[list[float]] = []

    class Asked:
        def values(self, name: str, rows: list[list[int]]) -> list[list[float]]:
            found.extend(classify(served, rows, False))
            return found

    read_scores(spec, ChatTokenizer.load(folder), items)(Asked())  # type: ignore[arg-type]
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    theirs = AutoTokenizer.from_pretrained(folder)
    for (prompt, answer), values in zip(EXCHANGES, found, strict=True):
        # A control token's name inside an answer is what transformers gets wrong.
        plain_answer = answer.replace("[SEP]", "[ SEP ]")
        asked = (prompt, plain_answer) if pairs else f"I {prompt} yes {plain_answer}"
        ids = theirs([asked], return_tensors="pt").input_ids
        with torch.no_grad():
            expected = plain(input_ids=ids).logits[0].tolist()
        assert values == pytest.approx(expected, abs=1e-5)
