"""What a client counts of its requests."""

import threading
import time

import pytest

from safegrid.core.errors import EngineError
from safegrid.engine.meter import Meter

ANSWERS = {"choices": [{"token_ids": [1, 2, 3]}, {"token_ids": [4, 5, 6, 7]}]}


@pytest.fixture
def meter():
    return Meter("NVIDIA H200")


def test_answers_are_counted_by_their_engines_clock(meter):
    meter.count({"prompt": [[1, 2], [3]]}, ANSWERS, "1.5")
    meter.count({"prompt": [4, 5]}, ANSWERS, "0.25")
    spent = meter.take()
    assert (spent.requests, spent.rows, spent.tokens_in, spent.tokens_out) == (
        2,
        3,
        5,
        14,
    )
    assert (spent.seconds, spent.measured) == (1.75, "engine")
    assert spent.device == "NVIDIA H200"


def test_rows_that_a_model_reads_alike_count_once(meter):
    labels = [[1, 2, 8], [1, 2, 9], [3, 8]]
    meter.count({"prompt": labels, "echo": True, "max_tokens": 0}, {}, "1")
    assert meter.take().tokens_in == 2 + 1
    # Where a token is to follow, the model reads every row to its end.
    meter.count({"prompt": labels, "echo": True, "max_tokens": 1}, ANSWERS, "1")
    spent = meter.take()
    assert (spent.tokens_in, spent.tokens_out) == (8, 0)
    meter.count({"input": labels}, {}, "1")
    assert meter.take().tokens_in == 8


def test_what_was_taken_is_not_counted_again(meter):
    meter.count({"input": [[1]]}, {}, "1")
    assert meter.take().requests == 1
    nothing = meter.take()
    assert (nothing.requests, nothing.seconds, nothing.measured) == (0, 0.0, "")


def test_without_an_engines_word_requests_at_a_time_share_the_clients_clock(meter):
    both = threading.Barrier(2)

    def ask():
        with meter.running():
            both.wait(10)
            time.sleep(0.2)
        meter.count({"input": [[1]]}, {}, None)

    begun = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begun
    spent = meter.take()
    assert spent.measured == "client"
    assert 0.2 <= spent.seconds <= wall


def test_answers_of_unknown_length_are_refused(meter):
    with pytest.raises(EngineError, match="how many tokens"):
        meter.count({"prompt": [[1]]}, {"choices": [{"text": "a"}]}, "1")


def test_a_text_is_as_long_as_the_engine_says(meter):
    answer = {"choices": [{"text": "a"}], "usage": {"completion_tokens": 3}}
    meter.count({"prompt": [[1]]}, answer, "1")
    assert meter.take().tokens_out == 3
