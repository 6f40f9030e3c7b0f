"""The image of a cloud's jobs has what the locks say, installed as make does it."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
MAKEFILE = (ROOT / "Makefile").read_text()
PICK = re.compile(r"\$\((grep '[^']+' [\w.-]+)\)")


def lines(word):
    found = re.findall(rf"^{word} (.*)$", DOCKERFILE, re.MULTILINE)
    return [" ".join(line.split()) for line in found]


def installs(text):
    """The arguments of each `pip install`, without what only one of the two needs."""
    words = re.findall(r"pip install (.*?)(?:&&|$)", text, re.MULTILINE)
    own = (
        r"--quiet|--no-cache-dir|--no-compile|\$\(TORCH_INDEX\)|\$\{TORCH_INDEX:\+.*?\}"
    )
    return [" ".join(re.sub(own, "", found).split()) for found in words]


def test_the_image_takes_the_locks_and_nothing_else():
    (copied,) = lines("COPY")
    files = set(copied.split()[:-1])
    assert files == {"requirements.lock", "requirements-cloud.lock"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules[1:]} == files


def test_torch_and_the_lock_are_installed_as_make_does():
    made = MAKEFILE.partition("$(READY): ")[2].partition("touch")[0]
    by_make = installs(made.replace("$$", "$"))[:2]
    assert by_make[0].startswith("--no-deps")
    assert installs(DOCKERFILE)[:2] == by_make


@pytest.mark.parametrize("text", [DOCKERFILE, MAKEFILE.replace("$$", "$")])
def test_what_is_picked_from_a_lock_is_one_line_of_it(text):
    picked = set(PICK.findall(text))
    assert picked
    for command in picked:
        found = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert len(found.stdout.splitlines()) == 1, command


def test_a_job_finds_the_plugin_of_the_lock_without_a_network():
    settings = dict(pair.split("=", 1) for pair in " ".join(lines("ENV")).split())
    assert settings["PIP_NO_INDEX"] == "$PIP_NO_INDEX"
    wheels = Path(settings["PIP_FIND_LINKS"])
    assert f"--dest {wheels.name} " in DOCKERFILE
    # Before that line an index is needed, and ARGs are variables of the lines below.
    assert DOCKERFILE.index("ARG PIP_NO_INDEX=1") > DOCKERFILE.rindex("pip download")


def test_jobs_are_not_root_and_run_the_python_that_the_package_asks_for():
    assert lines("USER") == ["safegrid"]
    assert DOCKERFILE.index("USER safegrid") > DOCKERFILE.rindex("RUN ")
    assert lines("WORKDIR")[-1] == "/workdir"
    (image,) = lines("FROM")
    assert image == "python:3.11-slim"
    assert '">=3.11,<3.12"' in (ROOT / "pyproject.toml").read_text()
