"""A served address: the model that is meant is found there, or a sentence says why."""

import socket

import pytest

from safegrid.config import EngineSpec
from safegrid.core.errors import EngineError
from safegrid.engine import calls, connect
from safegrid.engine.lease import lease

BASE, GUARD = "results/bases/mine", "results/judges/guard"


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    """Names of models are below the folder that a job runs in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def key(monkeypatch):
    """Sets the key that jobs send, or takes it away."""

    def give(value):
        if value is None:
            monkeypatch.delenv(connect.ENGINE_KEY, raising=False)
        else:
            monkeypatch.setenv(connect.ENGINE_KEY, value)

    return give


def there(*servers):
    return EngineSpec(kind="address", address=[server.url for server in servers])


def refusal(spec, folder):
    """Return why no engine was found: a single line."""
    with pytest.raises(EngineError) as caught, lease(spec, [folder]):
        pass
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_an_address_needs_no_start(server, key):
    key(server.key)
    spec = EngineSpec(kind="address", address=server.url + "/")
    with lease(spec, [server.folder]) as engine:
        assert engine.identity._asdict() == {
            "kind": "address",
            "version": "0.0.stand-in",
            "dtype": "float32",
            "weights": "a",
        }
        assert engine.max_length == 64


def test_each_model_is_asked_where_it_is_served(serve, tmp_path, key):
    base, guard = serve(BASE), serve(GUARD)
    key(base.key)
    for server in (guard, base):
        with lease(there(base, guard), [server.folder]) as engine:
            assert engine.url == server.url


@pytest.mark.parametrize(
    ("names", "meant", "others"),
    [
        # A name below the folder of the run is enough.
        ([BASE], [BASE, "{base}/", "ours"], ["mine", GUARD]),
        # The folder of an adapter names no model.
        ([BASE, GUARD], ["ours"], [GUARD, BASE]),
    ],
)
def test_a_server_names_a_model_by_its_folder(tmp_path, names, meant, others):
    stack = [(tmp_path / name).resolve() for name in names]

    def is_meant(name):
        return connect.is_meant({"id": name.format(base=stack[0])}, "ours", stack)

    assert all(is_meant(name) for name in meant)
    assert not any(is_meant(name) for name in others)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, "{url} asks for a key: set SAFEGRID_ENGINE_KEY"),
        ("guessed", "{url} does not take the key in SAFEGRID_ENGINE_KEY"),
    ],
)
def test_a_wrong_key_is_told_and_not_shown(server, key, given, sentence):
    key(given)
    text = refusal(there(server), server.folder)
    assert sentence.format(url=server.url) in text
    assert "guessed" not in text
    assert server.key not in text


def test_a_server_that_is_down_is_told(server, key, monkeypatch):
    at_once = calls.RETRIES.new(backoff_factor=0)
    monkeypatch.setattr(calls, "RETRIES", at_once)
    key(server.key)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    text = refusal(EngineSpec(kind="address", address=url), server.folder)
    assert f"{url}/v1/models does not answer" in text
    assert "start the server, or mend `engine.address`" in text


def test_a_port_that_nobody_listens_at_is_failing_and_a_slow_server_is_not(
    server, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setattr(calls, "HEALTH_SECONDS", 0.1)
        assert not calls.is_failing(url)
    assert calls.is_failing(url)
    monkeypatch.undo()
    assert not calls.is_failing(server.url)
    assert calls.is_healthy(server.url)


def test_a_server_of_another_model_is_told(server, serve, key):
    other = serve(GUARD)
    key(server.key)
    text = refusal(there(server), other.folder)
    assert f"no engine for {GUARD}: {server.url} serves '{server.folder}'" in text


def test_what_is_no_engine_is_told(key, server, monkeypatch):
    reply = calls.Reply({"message": "hello"}, None)
    monkeypatch.setattr(connect, "send", lambda *_: reply)
    key(None)
    assert "serves nothing" in refusal(there(server), server.folder)
