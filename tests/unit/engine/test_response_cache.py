import hashlib
import json
import multiprocessing
from contextlib import suppress

import pytest

from safegrid.core.errors import EngineError
from safegrid.core.files import sha256_json
from safegrid.engine.response_cache import ResponseCache, answer_missing
from safegrid.runtime.usage import Usage

KEY = {"weights": "w", "engine": "e"}


def ask_nothing(items):
    raise AssertionError(f"asked {items}")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stage/cell"


@pytest.fixture
def kept(path):
    """Keeps chunks in the cell's cache."""

    def keep(*chunks, usage=None, **how):
        with ResponseCache(path, KEY, **how) as cache:
            for chunk in chunks:
                cache.put_chunk(chunk, usage)

    return keep


def test_answers_come_back_to_the_same_weights_and_settings_only(path, kept):
    kept({"a": [1, 0.1, "ü\n"], "b": None})
    with ResponseCache(path, KEY) as cache:
        assert cache.get("a") == [1, 0.1, "ü\n"]
        assert "b" in cache
        assert len(cache) == 2
    with ResponseCache(path, KEY | {"weights": "v"}) as cache:
        assert "a" not in cache


def test_fresh_ignores_what_was_answered_and_replaces_it(path, kept):
    kept({"a": 1})
    with ResponseCache(path, KEY, fresh=True) as cache:
        assert "a" not in cache
        cache.put_chunk({"a": 2})
    with ResponseCache(path, KEY) as cache:
        assert cache.get("a") == 2


@pytest.mark.parametrize("lost", [1, 5, 40])
def test_a_torn_last_line_is_left_out_and_does_not_spoil_the_next(
    path, kept, lost, caplog
):
    kept({"a": 1}, {"b": 2, "c": 3})
    path.write_bytes(path.read_bytes()[:-lost])
    with ResponseCache(path, KEY) as cache:
        assert "torn" in caplog.text
        assert cache.get("a") == 1
        assert "b" not in cache
        assert "c" not in cache
        cache.put_chunk({"d": 4})
    with ResponseCache(path, KEY) as cache:
        assert [cache.get(key) for key in "ad"] == [1, 4]


def lined(value):
    """A line of any value with a checksum that fits it."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return hashlib.sha256(body).hexdigest()[:16].encode() + b" " + body + b"\n"


@pytest.mark.parametrize(
    "odd",
    [
        [1, 2],
        7,
        None,
        "text",
        b"no json",
        b"\xff",
        {"answers": {"a": 7}},
        {"key": sha256_json(KEY)},
        {"key": 5, "answers": {"a": 7}},
        {"key": sha256_json(KEY), "answers": [["a", 7]]},
        {"key": sha256_json(KEY), "answers": {"a": 7}, "usage": [1]},
        {"key": sha256_json(KEY), "answers": {"a": 7}, "usage": {"rows": 1}},
    ],
)
def test_a_line_of_another_shape_is_left_out_counted_and_asked_again(
    path, kept, odd, caplog
):
    kept({"b": 2})
    path.write_bytes(lined(odd) + path.read_bytes())
    with ResponseCache(path, KEY) as cache:
        assert "line 1 holds no chunk of answers" in caplog.text
        assert "left out 1 lines; what they answered is asked again" in caplog.text
        found = answer_missing(cache, {"a": 1, "b": 2}, lambda items: [1], chunk=2)
    assert found == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a": 1', '"a": 7'),
        ('"a"', '"b"'),
        ('"rows": 2', '"rows": 3'),
        ('"key": "', '"key": "0'),
    ],
)
def test_no_part_of_a_line_can_be_edited_alone(path, kept, old, new, caplog):
    kept({"a": 1}, usage=Usage(1, 2, 30, 4, 2.0, "engine", "d"))
    edited = path.read_text().replace(old, new)
    assert new in edited
    path.write_text(edited)
    kept({"z": 2})
    with ResponseCache(path, KEY) as cache:
        assert len(cache) == 1
        assert cache.get("z") == 2
    assert "does not fit its checksum" in caplog.text


def test_a_store_that_is_a_folder_is_told(tmp_path):
    with pytest.raises(EngineError, match="a folder"), ResponseCache(tmp_path, KEY):
        pass


def hold(path, ready, done):
    with ResponseCache(path, KEY):
        ready.set()
        done.wait(10)


def test_a_file_has_one_writer(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "cell", ready, done))
    other.start()
    assert ready.wait(10)
    with (
        pytest.raises(EngineError, match="another process writes"),
        ResponseCache(tmp_path / "cell", KEY),
    ):
        pass
    done.set()
    other.join()
    with ResponseCache(tmp_path / "cell", KEY):
        pass


def test_after_a_kill_the_chunks_are_those_of_an_unbroken_run(tmp_path):
    items = {str(number): number for number in range(7)}

    def asked(name, dies_at=None):
        """Answer what is missing in a cell; return the chunks that were asked."""
        chunks = []

        def ask(part):
            if len(chunks) == dies_at:
                raise KeyboardInterrupt
            chunks.append(part)
            return part

        with (
            suppress(KeyboardInterrupt),
            ResponseCache(tmp_path / name, KEY) as cache,
        ):
            answer_missing(cache, items, ask, chunk=3)
        return chunks

    assert asked("cell", dies_at=1) + asked("cell") == asked("whole")


def test_new_and_stored_answers_look_alike(path):
    with ResponseCache(path, KEY) as cache:
        new = answer_missing(cache, {"a": 1}, lambda items: [(1, 2.5)], chunk=1)
    with ResponseCache(path, KEY) as cache:
        assert answer_missing(cache, {"a": 1}, ask_nothing, chunk=1) == new


def test_lines_keep_what_they_took(tmp_path):
    path = tmp_path / "cell"
    one = Usage(1, 2, 30, 4, 2.0, "engine", "NVIDIA H200")
    with ResponseCache(path, KEY) as cache:
        cache.put_chunk({"a": 1, "b": 2}, one)
        cache.put_chunk({"c": 3}, one)
        cache.put_chunk({"d": 4})
        assert cache.usage_of(["a", "b"]) == (one, 0)
    with ResponseCache(path, KEY) as cache:
        assert cache.usage_of(["a", "c", "d"]) == (one + one, 1)
        assert cache.usage_of(["d"]) == (None, 1)


def test_answers_that_were_asked_again_count_once(path, kept):
    slow, fast = (Usage(1, 1, 3, 4, s, "engine", "d") for s in (9.0, 1.0))
    kept({"a": 1}, usage=slow)
    kept({"a": 1}, usage=fast, fresh=True)
    with ResponseCache(path, KEY) as cache:
        assert cache.usage_of(["a"]) == (fast, 0)
