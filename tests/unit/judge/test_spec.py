"""Keys of a judge that do not fit together are refused before any job."""

from typing import Any

import pytest
from pydantic import ValidationError

from safegrid.config.judge_entry import JudgeEntry

from .conftest import HEAD

ASKED = {"kind": "correction", "method": "endpoint", "endpoint": {"model": "gpt"}}
REWARD = {"kind": "reward"}
REFERENCE = {"kind": "reference", "method": "rules", "compare": "bleu"}
BERTSCORE = {**REFERENCE, "compare": "bertscore"}
WEAK = {"source": "s", "file": "g", "label": "refusal"}


@pytest.mark.parametrize(
    ("block", "change", "said"),
    [
        (ASKED, {"endpoint": None}, "belongs to `method: endpoint`, and it needs one"),
        (ASKED, {"method": "model"}, "belongs to `method: endpoint`"),
        (ASKED, {"kind": "guard"}, "method 'endpoint' is for kind 'correction'"),
        (ASKED, {"endpoint": {"model": "m", "key": "sk-1 2"}}, "pattern"),
        (ASKED, {"prompt_template": "{prompt} {response}"}, r"lacks \{prefill\}"),
        (REWARD, {"prompt_template": "x"}, "`prompt_template` is for kind 'correct"),
        (REWARD, {"opening_words": 3}, "`opening_words` is for kind 'fluency'"),
        (REWARD, {"kind": "guard", "text": "{response}"}, "is for kinds 'reward'"),
        (REWARD, {"text_pair": "{response}"}, "`text_pair` needs `text`"),
        (REWARD, {"text": "{prompt}"}, "lack {response}"),
        (REWARD, {"text": "{response} {answer}"}, "not {answer}"),
        ({"kind": "entailment"}, {"classes": ["a"], "positive": "a"}, "contradiction"),
        (REFERENCE, {"method": "model"}, "compare 'bleu' is done by method 'rules'"),
        (REFERENCE, {"layers": 2}, "compare 'bertscore'"),
        (REFERENCE, {"baseline": "roberta-large"}, "compare 'bertscore'"),
        (BERTSCORE, {"layers": 2}, "compare 'bertscore' is done by method 'model'"),
        (BERTSCORE, {"method": "model"}, "compare 'bertscore' with a model"),
        (HEAD, {"trained_on": [WEAK]}, "rows of one class only, 'refusal'"),
        (HEAD, {"trained_on": []}, "needs `trained_on`"),
        (HEAD, {"trained_on": [{**WEAK, "label": "no"}]}, "is none of `classes`"),
        (HEAD, {"trained_on": HEAD["trained_on"] * 2}, "s/f more than once"),
        (HEAD, {"encoder": None}, "needs `encoder`"),
        (HEAD, {"kind": "toxicity"}, "is for kind 'refusal'"),
        (HEAD, {"positive": "no"}, "needs `classes`"),
        (HEAD, {"method": "rules", "encoder": None}, "`trained_on` is for method"),
    ],
)
def test_keys_that_cannot_be_meant_are_refused(
    block: dict[str, Any], change: dict[str, Any], said: str
):
    with pytest.raises(ValidationError, match=said):
        JudgeEntry.model_validate({"name": "j", **block, **change})
