"""Kept answers of another shape are none: the engine is asked again."""

import pytest

from safegrid.config import Decode
from safegrid.engine.asking import Asker
from safegrid.engine.calls import UsageCounter
from safegrid.engine.client import Completion
from safegrid.engine.response_cache import ResponseCache, item_key

DECODE = Decode(max_new_tokens=3)
GOOD = Completion([5, 6], "eos", 3, "text")
SETTINGS = DECODE.model_dump(exclude={"samples"})


class Fake:
    """An engine that counts what it is asked and gives the same to everybody."""

    def __init__(self):
        self.usage = UsageCounter("a fake device")
        self.asked = 0

    def complete(self, ids, decode, seeds):
        self.asked += len(ids)
        return [GOOD] * len(ids)

    def label_logprobs(self, ids, labels):
        self.asked += len(ids)
        return [[-1.0, float("nan")]] * len(ids)


ASK = {
    item_key("complete", SETTINGS, [1, 2], 0): (
        lambda asker: asker.complete([[1, 2]], DECODE, [0])
    ),
    item_key("labels", [[3], [4]], [1, 2]): (
        lambda asker: asker.label_logprobs([[1, 2]], [[3], [4]])
    ),
}
COMPLETION, LABELS = ASK


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        (COMPLETION, None),
        (COMPLETION, 7),
        (COMPLETION, {"text": "a"}),
        (COMPLETION, [[5], "eos", 1]),
        (COMPLETION, [[5, "6"], "eos", 1, "text"]),
        (COMPLETION, [[5], "eos", True, "text"]),
        (COMPLETION, [[5], None, 1, "text"]),
        (LABELS, [-1.0]),
        (LABELS, [-1.0, "2"]),
        (LABELS, {"3": -1.0, "4": -2.0}),
    ],
)
def test_an_answer_of_another_shape_is_asked_again_and_replaced(
    tmp_path, item, kept, caplog
):
    path, key = tmp_path / "cell", {"weights": "w"}
    with ResponseCache(path, key) as cache:
        cache.put_chunk({item: kept})
    answers = []
    for asked in (1, 0):
        with ResponseCache(path, key) as cache:
            engine = Fake()
            answers += ASK[item](Asker(cache, 8, engine))
        assert engine.asked == asked
    assert "1 answers are none to their questions" in caplog.text
    expected = {COMPLETION: GOOD, LABELS: [-1.0, float("nan")]}[item]
    assert repr(answers) == repr([expected, expected])
