"""What a client counts of its requests."""

import threading
import time

import pytest

from safegrid.core.errors import EngineError
from safegrid.engine.calls import UsageCounter
from safegrid.runtime.usage import Usage

ANSWERS = {"choices": [{"token_ids": [1, 2, 3]}, {"token_ids": [4, 5, 6, 7]}]}


@pytest.fixture
def counter():
    return UsageCounter("NVIDIA H200")


def test_answers_are_counted_by_their_engines_clock(counter):
    counter.count({"prompt": [[1, 2], [3]]}, ANSWERS, "1.5")
    counter.count({"prompt": [4, 5]}, ANSWERS, "0.25")
    usage = counter.take()
    assert usage == Usage(2, 3, 5, 14, 1.75, "engine", "NVIDIA H200")


def test_rows_that_a_model_reads_alike_count_once(counter):
    labels = [[1, 2, 8], [1, 2, 9], [3, 8]]
    counter.count({"prompt": labels, "echo": True, "max_tokens": 0}, {}, "1")
    assert counter.take().tokens_in == 2 + 1
    # Where a token is to follow, the model reads every row to its end.
    counter.count({"prompt": labels, "echo": True, "max_tokens": 1}, ANSWERS, "1")
    usage = counter.take()
    assert (usage.tokens_in, usage.tokens_out) == (8, 0)
    counter.count({"input": labels}, {}, "1")
    assert counter.take().tokens_in == 8


def test_what_was_taken_is_not_counted_again(counter):
    counter.count({"input": [[1]]}, {}, "1")
    assert counter.take().requests == 1
    nothing = counter.take()
    assert (nothing.requests, nothing.seconds, nothing.measured) == (0, 0.0, "")


def test_without_an_engines_word_requests_at_a_time_share_the_clients_clock(counter):
    both = threading.Barrier(2)

    def ask():
        with counter.running():
            both.wait(10)
            time.sleep(0.2)
        counter.count({"input": [[1]]}, {}, None)

    begun = time.perf_counter()
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - begun
    usage = counter.take()
    assert usage.measured == "client"
    assert 0.2 <= usage.seconds <= wall


def test_answers_of_unknown_length_are_refused(counter):
    with pytest.raises(EngineError, match="how many tokens"):
        counter.count({"prompt": [[1]]}, {"choices": [{"text": "a"}]}, "1")


def test_a_text_is_as_long_as_the_engine_says(counter):
    answer = {"choices": [{"text": "a"}], "usage": {"completion_tokens": 3}}
    counter.count({"prompt": [[1]]}, answer, "1")
    assert counter.take().tokens_out == 3
