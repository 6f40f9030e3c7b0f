"""A judge behind an endpoint: its answers, its faults, and what a later run asks."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl
import pytest

from endpoint_stand_in import MODEL, Reply, StandIn, completion
from ports import free_port
from safegrid.config import JudgeSpec
from safegrid.core.artifacts import read_manifest
from safegrid.core.errors import EngineError, JudgeError
from safegrid.core.stages import VERSIONS
from safegrid.judge.endpoint import MOST_PATIENCE, Endpoint, Pace

KEY = "sk-a-key-that-must-reach-no-file"


@pytest.fixture
def stand_in(monkeypatch):
    server = StandIn()
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", server.url)
    monkeypatch.setenv("SAFEGRID_JUDGE_KEY", KEY)
    yield server
    server.close()


@pytest.fixture
def slept(monkeypatch):
    """The seconds that the judge's threads would have waited."""
    seconds: list[float] = []
    monkeypatch.setattr(
        "safegrid.judge.asked_endpoint.Endpoint",
        partial(Endpoint, sleep=seconds.append),
    )
    return seconds


def spec(**endpoint: Any) -> JudgeSpec:
    block = {"model": "gpt", "max_concurrency": 2, "max_attempts": 3, **endpoint}
    return JudgeSpec.model_validate(
        {"name": "c", "kind": "correction", "method": "endpoint", "endpoint": block}
    )


@pytest.fixture
def run(run_judge, slept):
    def judged(texts: list[str], **changes: Any) -> pl.DataFrame:
        fresh = changes.pop("fresh", False)
        return run_judge(spec(**changes), None, texts, prefill="Sure,", fresh=fresh)

    return judged


def by_text(replies: dict[str, Reply]) -> Callable[[dict[str, Any]], Reply]:
    """Answer each question by the answer that it shows."""

    def answer(body: dict[str, Any]) -> Reply:
        text = body["messages"][0]["content"]
        return next(r for name, r in replies.items() if f"[[HERE]]{name}\n" in text)

    return answer


def test_yes_no_and_neither_become_verdicts_and_are_asked_as_the_paper_asks(
    stand_in, run, tmp_path
):
    stand_in.answer = by_text(
        {"a": Reply("Yes."), "b": Reply("no"), "c": Reply("It does"), "d": Reply(None)}
    )
    rows = run(["a", "b", "c", "d"])
    assert rows["label"].to_list() == ["corrected", "continued", "unscored", "unscored"]
    assert rows["score"].to_list() == [1.0, 0.0, None, None]
    assert json.loads(rows["raw"][2]) == {"text": "It does", "finish": "stop"}
    body = stand_in.asked[0]
    sent = {k: body[k] for k in ("model", "temperature", "seed", "max_tokens")}
    assert sent == {"model": "gpt", "temperature": 0, "seed": 42, "max_tokens": 2}
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert stand_in.headers[0]["Authorization"] == f"Bearer {KEY}"
    facts = read_manifest(tmp_path / "verdicts.parquet")
    assert facts["engine"]["version"] == MODEL
    assert (facts["rows"], facts["unscored"]) == (4, 2)


def test_every_request_and_answer_is_kept_and_a_repeated_run_asks_nothing(
    stand_in, run, tmp_path
):
    first = run(["a", "b", "a"])
    # The same question twice is asked once.
    assert len(stand_in.asked) == 2
    before = (tmp_path / "verdicts.parquet").read_bytes()
    stand_in.close()
    assert run(["a", "b", "a"]).equals(first)
    assert (tmp_path / "verdicts.parquet").read_bytes() == before
    lines = (tmp_path / "cache").read_text().splitlines()
    kept = [
        value
        for line in lines
        for value in json.loads(line.partition(" ")[2])["answers"].values()
    ]
    assert len(kept) == 2
    assert all(one["request"]["messages"] for one in kept)
    assert all(one["answer"]["model"] == MODEL for one in kept)


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: [kept],
        lambda kept: {**kept, "answer": "yes"},
        lambda kept: {**kept, "answer": {"choices": []}},
        lambda kept: {**kept, "request": {**kept["request"], "seed": 9}},
        lambda kept: {"answer": kept["answer"]},
    ],
)
def test_a_kept_answer_of_another_shape_or_request_is_asked_again(
    stand_in, run, tmp_path, change
):
    first = run(["a"])
    cache = tmp_path / "cache"
    chunk = json.loads(cache.read_text().partition(" ")[2])
    chunk["answers"] = {key: change(kept) for key, kept in chunk["answers"].items()}
    body = json.dumps(chunk)
    cache.write_text(f"{hashlib.sha256(body.encode()).hexdigest()[:16]} {body}\n")
    assert run(["a"]).equals(first)
    assert len(stand_in.asked) == 2


def test_a_fresh_run_asks_again_and_another_reading_does_not(
    stand_in, run, monkeypatch
):
    run(["a"])
    stand_in.answer = lambda body: Reply("no")
    monkeypatch.setitem(VERSIONS, "judge", VERSIONS["judge"] + 1)
    assert run(["a"])["label"].to_list() == ["corrected"]
    assert run(["a"], fresh=True)["label"].to_list() == ["continued"]


def test_neither_key_nor_address_reaches_a_file(stand_in, run, tmp_path):
    leak = f"wrong: {KEY} at {stand_in.url}"
    echo = json.dumps(completion("yes", headers=leak)).encode()
    stand_in.answer = by_text(
        {"a": Reply(body=echo), "b": Reply(status=400, body=leak.encode())}
    )
    rows = run(["a", "b"])
    assert json.loads(rows["raw"][1]) == {"refused": "status 400: wrong: *** at ***"}
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 4
    assert not any(KEY.encode() in content for content in files)
    assert not any(stand_in.url.encode() in content for content in files)


@pytest.mark.parametrize(
    ("status", "asked", "waited"), [(429, "17", 17), (503, "86400", MOST_PATIENCE)]
)
def test_an_endpoint_is_waited_for_as_long_as_it_says_but_not_for_ever(
    stand_in, run, slept, status, asked, waited
):
    replies = iter([Reply(status=status, headers={"Retry-After": asked}), Reply("no")])
    stand_in.answer = lambda body: next(replies)
    assert run(["a"])["label"].to_list() == ["continued"]
    assert max(slept) == pytest.approx(waited, abs=1)


def test_a_servers_own_errors_are_tried_again_with_growing_waits(stand_in, run, slept):
    replies = iter([Reply(status=500), Reply(status=503), Reply("yes")])
    stand_in.answer = lambda body: next(replies)
    assert run(["a"])["label"].to_list() == ["corrected"]
    waits = [seconds for seconds in slept if seconds]
    assert len(waits) <= 2
    assert all(seconds <= 1 for seconds in waits)


def test_an_endpoint_that_is_down_fails_the_job_and_loses_nothing(
    stand_in, run, monkeypatch, tmp_path
):
    url = stand_in.url
    run(["a"])
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(EngineError) as caught:
        run(["a", "b", "c"])
    message = str(caught.value)
    assert "2 of 3 items have no answer" in message
    assert "2 failed: cannot be reached (ConnectError)" in message
    assert "answered: 1" in message
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", url)
    rows = run(["a", "b", "c"])
    assert rows["label"].to_list() == ["corrected"] * 3
    assert len(stand_in.asked) == 3


def test_after_many_failures_in_a_row_the_rest_is_not_asked(run, monkeypatch):
    monkeypatch.setenv("SAFEGRID_JUDGE_URL", f"http://127.0.0.1:{free_port()}/v1")
    with pytest.raises(EngineError, match=r"40 of 40 items .* \d\d not asked"):
        run([str(n) for n in range(40)])


def test_a_slow_answer_is_a_failure_of_its_item_alone(stand_in, run):
    stand_in.answer = by_text({"a": Reply("yes", seconds=1.5), "b": Reply("no")})
    with pytest.raises(EngineError, match=r"1 failed: no answer within 0\.3 seconds"):
        run(["a", "b"], timeout=0.3, max_attempts=1)
    stand_in.answer = lambda body: Reply("yes")
    asked = len(stand_in.asked)
    assert run(["a", "b"])["label"].to_list() == ["corrected", "continued"]
    assert len(stand_in.asked) == asked + 1


PACKED = Reply(body=b"nonsense", headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize(
    "body",
    [
        b"<html>try later</html>",
        b"[1, 2]",
        json.dumps({"object": "error"}).encode(),
        json.dumps(completion("yes", choices=[])).encode(),
        json.dumps(completion("yes", choices=[{"message": {"content": 3}}])).encode(),
        json.dumps(completion("yes")).encode()[:-9],
        b"\xff\xfe{",
        b"[" * 100_000,
        PACKED,
    ],
)
def test_what_is_no_chat_completion_is_no_answer(stand_in, run, body):
    stand_in.answer = lambda _: body if isinstance(body, Reply) else Reply(body=body)
    said = r"1 failed: (answers with no chat completion|cannot be reached \(Decoding)"
    with pytest.raises(EngineError, match=said):
        run(["a"])
    assert len(stand_in.asked) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": {"prompt_tokens": "seven", "completion_tokens": [1]}},
        {"usage": {"prompt_tokens": float("nan"), "completion_tokens": -4}},
        {"model": "half a \ud800 character"},
    ],
)
def test_nonsense_beside_an_answer_loses_nothing(stand_in, run, tmp_path, changes):
    body = json.dumps(completion("Yes \ud800.", **changes)).encode()
    stand_in.answer = lambda _: Reply(body=body)
    rows = run(["a"])
    assert rows["label"].to_list() == ["corrected"]
    assert json.loads(rows["raw"][0])["text"] == "Yes ?."
    assert "half a" not in str(changes) or "half a ? character" in str(
        read_manifest(tmp_path / "verdicts.parquet")["engine"]
    )


@pytest.mark.parametrize("key", ["klíč", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_told_without_it(
    stand_in, run, monkeypatch, key
):
    monkeypatch.setenv("SAFEGRID_JUDGE_KEY", key)
    with pytest.raises(JudgeError, match="SAFEGRID_JUDGE_KEY holds a char") as caught:
        run(["a"])
    assert key not in str(caught.value)
    assert not stand_in.asked


def test_a_refused_request_is_unscored_and_asked_again_by_the_next_run(stand_in, run):
    stand_in.answer = by_text({"a": Reply("yes"), "b": Reply(status=400)})
    rows = run(["a", "b"])
    assert rows["label"].to_list() == ["corrected", "unscored"]
    assert json.loads(rows["raw"][1])["refused"].startswith("status 400")
    stand_in.answer = lambda body: Reply("no")
    assert run(["a", "b"])["label"].to_list() == ["corrected", "continued"]
    assert len(stand_in.asked) == 3


def test_an_endpoint_that_refuses_everything_is_an_error(stand_in, run):
    stand_in.answer = lambda body: Reply(status=422)
    with pytest.raises(JudgeError, match="refused each of 2 requests"):
        run(["a", "b"])


@pytest.mark.parametrize("status", [401, 403, 404, 302])
def test_settings_that_no_request_gets_past_end_the_job_at_once(stand_in, run, status):
    stand_in.answer = by_text(
        {"a": Reply("yes", seconds=0.4), "b": Reply(status=status)}
        | {str(n): Reply("yes") for n in range(20)}
    )
    with pytest.raises(JudgeError, match=rf"status {status}.*SAFEGRID_JUDGE_KEY") as e:
        run(["a", "b", *map(str, range(20))])
    assert KEY not in str(e.value)
    # What was under way came, and is kept.
    assert len(stand_in.asked) == 2
    stand_in.answer = lambda body: Reply("no")
    assert run(["a", "b"])["label"].to_list() == ["corrected", "continued"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "SAFEGRID_JUDGE_URL is not set"),
        ("localhost:80", "must begin with https://"),
        (f"https://me:{KEY}@host/v1", "must hold no user"),
    ],
)
def test_an_address_that_is_none_is_told_with_its_variable(run, monkeypatch, url, said):
    monkeypatch.delenv("SAFEGRID_JUDGE_URL", raising=False)
    if url is not None:
        monkeypatch.setenv("SAFEGRID_JUDGE_URL", url)
    with pytest.raises(JudgeError, match=said) as caught:
        run(["a"])
    assert KEY not in str(caught.value)


def test_no_more_requests_are_under_way_than_allowed(stand_in, run):
    stand_in.answer = lambda body: Reply("yes", seconds=0.05)
    run([str(n) for n in range(12)], max_concurrency=3)
    assert stand_in.most == 3


def test_requests_begin_no_faster_than_the_rate_and_wait_out_a_hold():
    now = [0.0]
    begun: list[float] = []

    def sleep(seconds: float) -> None:
        now[0] += seconds

    pace = Pace(30, sleep, lambda: now[0])
    for number in range(4):
        if number == 3:
            pace.hold(100)
        pace.wait()
        begun.append(now[0])
    assert begun == pytest.approx([0, 2, 4, 104])
