"""BERTScore (Zhang et al. 2020) by its authors' package, with a model of a folder.

The package finds models on the hub, by names. Here the folder's model is loaded, with
as many layers as asked for, and handed to the package's own functions. Two things are
done before, since the package cannot with transformers 5: a tokenizer without a limit
gets its model's, and a text without a token is never encoded, but scores the 0 that the
package gives it.
"""

import csv
import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bert_score
import torch
from bert_score.utils import bert_cos_score_idf
from transformers import AutoModel

from safegrid.config import JudgeSpec
from safegrid.core.errors import JudgeError
from safegrid.judge.items import Verdict
from safegrid.models.checkpoints import loading
from safegrid.models.pretrained import load_config, load_tokenizer, load_weights
from safegrid.models.tokenizer_files import check_ids
from safegrid.readers.plain import is_blank

BASELINES = Path(bert_score.__file__).parent / "rescale_baseline" / "en"
# Positions that these models keep for padding.
RESERVED = {"roberta": 2, "xlm-roberta": 2}


def bertscores(
    spec: JudgeSpec, stack: Sequence[Path], pairs: Sequence[tuple[str, str]]
) -> list[Verdict]:
    """Return F1 for each answer and reference; rescaled where `spec` names a baseline.

    Texts are encoded one by one: the package sorts a batch by way of a set, so that its
    padding, and with it the last digits, would change from run to run.
    """
    layers, floor = int(spec.layers or 0), _baseline(spec)
    tokenizer, model = _load(spec.name, stack[0], layers)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    said = [(a, r) for a, r in pairs if not (is_blank(a) or is_blank(r))]
    weights: dict[int, float] = defaultdict(lambda: 1.0)
    weights |= {tokenizer.sep_token_id: 0.0, tokenizer.cls_token_id: 0.0}
    rows: list[list[float]] = []
    if said:
        rows = bert_cos_score_idf(
            model.to(device),
            [reference for _, reference in said],
            [answer for answer, _ in said],
            tokenizer,
            weights,
            batch_size=1,
            device=device,
        ).tolist()
    scores = dict(zip(said, rows, strict=True))
    nothing = [0.0, 0.0, 0.0]
    return [_verdict(scores.get(pair, nothing), floor) for pair in pairs]


def _verdict(found: list[float], floor: float) -> Verdict:
    raw = dict(zip(("precision", "recall", "f1"), found, strict=True))
    rounded = {name: round(value, 6) for name, value in raw.items()}
    return Verdict(None, (raw["f1"] - floor) / (1 - floor), [], json.dumps(rounded))


def _load(name: str, folder: Path, layers: int) -> tuple[Any, Any]:
    """Load tokenizer and model; layers behind the one that is read are left out."""
    # Which weights are missing is asked below, which are left over is on purpose.
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        with loading():
            config = load_config(folder)
            tokenizer = load_tokenizer(folder)
            # Here a text may hold any token: the package marks none in it.
            check_ids(tokenizer.get_vocab(), folder, folder)
            model, found = load_weights(
                AutoModel,
                folder,
                num_hidden_layers=min(layers, config.num_hidden_layers),
                output_loading_info=True,
            )
    except (OSError, ValueError) as error:
        raise JudgeError(
            f"judge {name}: {folder} holds no model that BERTScore can read: {error};"
            " expected config.json, a tokenizer and safetensors of an encoder"
        ) from None
    missing = sorted(k for k in found["missing_keys"] if not k.startswith("pooler."))
    if layers > config.num_hidden_layers or missing:
        raise JudgeError(
            f"judge {name}: {folder} has {config.num_hidden_layers} layers and lacks"
            f" {len(missing)} weights {missing[:3]}; expected a whole encoder of at"
            f" least {layers} layers, the judge's `layers`"
        )
    positions = config.max_position_embeddings - RESERVED.get(config.model_type, 0)
    tokenizer.model_max_length = min(tokenizer.model_max_length, positions)
    return tokenizer, model.eval()


def _baseline(spec: JudgeSpec) -> float:
    """Return the F1 of unlike sentences, from the package's own table."""
    if spec.baseline is None:
        return 0.0
    path = BASELINES / f"{spec.baseline}.tsv"
    if not path.is_file():
        known = sorted(
            str(p.relative_to(BASELINES).with_suffix(""))
            for p in BASELINES.rglob("*.tsv")
        )
        raise JudgeError(
            f"judge {spec.name}: bert-score has no baseline {spec.baseline!r}; expected"
            f" one of {', '.join(known)}, or none"
        )
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return float(rows[int(spec.layers or 0)]["F"])
