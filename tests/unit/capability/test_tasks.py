"""Tasks by name: the study's own beside their rows, then the shipped ones."""

import functools

import pytest
from lm_eval.tasks import TaskManager

from safegrid.capability import tasks
from safegrid.capability.tasks import loaded_tasks
from safegrid.core.errors import ConfigError, DataError
from safegrid.core.files import sha256_file
from safegrid.core.seals import FILES, write_result


def refused(error, told, *asked):
    with pytest.raises(error, match=told), loaded_tasks(*asked):
        pass


@pytest.fixture
def none_shipped(monkeypatch):
    """Indexing all shipped tasks takes many seconds; here none is shipped."""
    manager = functools.partial(TaskManager, include_defaults=False)
    monkeypatch.setattr(tasks, "TaskManager", manager)


def test_rows_lie_beside_the_yaml_wherever_the_job_runs(
    task_files, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with loaded_tasks(["colours", "names"], task_files) as found:
        assert [len(task.eval_docs) for task in found["tasks"].values()] == [4, 4]


def test_a_folder_is_no_pattern(task_files, tmp_path):
    odd = tmp_path / "my [v2] *?' ~ $HOME run"
    (tmp_path / "tasks").rename(odd)
    files = [odd / path.relative_to(tmp_path / "tasks") for path in task_files]
    rows = files[1].rename(files[1].with_name("rows-1.jsonl"))
    files[0].write_text(files[0].read_text().replace("colours.jsonl", "rows-?.jsonl"))
    with loaded_tasks(["colours", "names"], [files[0], rows, *files[2:]]) as found:
        assert [len(task.eval_docs) for task in found["tasks"].values()] == [4, 4]


def test_rows_that_change_are_read_again(task_files):
    rows = task_files[1]
    with loaded_tasks(["colours"], task_files) as found:
        assert found["tasks"]["colours"].eval_docs[0]["place"] == 1
    rows.write_text(rows.read_text().replace('"place": 1', '"place": 2'))
    with loaded_tasks(["colours"], task_files) as found:
        assert found["tasks"]["colours"].eval_docs[0]["place"] == 2


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda rows: b"", "line 1: the file holds no readable row"),
        (lambda rows: rows + b"{\n", "line 5: not readable as JSON"),
        (lambda rows: rows + b'{"a": "\xff"}\n', "line 5: not UTF-8: byte 0xff"),
        (
            lambda rows: rows.replace(b'"place": 1', b'"plaice": 1', 1),
            "fields differ from those of the first row: 'place', 'plaice'",
        ),
    ],
)
def test_broken_rows_are_named_before_the_harness_reads_them(task_files, spoil, told):
    rows = task_files[1]
    rows.write_bytes(spoil(rows.read_bytes()))
    refused(DataError, rf"(?s)colours\.jsonl: .*{told}", ["colours"], task_files)


def test_names_that_nobody_knows_are_named_with_the_likely_one(
    task_files, none_shipped
):
    declared = [path for path in task_files if path.stem == "colours"]
    said = r"(?s)'colors'; did you mean 'colours'.*'names'"
    refused(ConfigError, said, ["colors", "names"], declared)
    # A task whose file the job was not given is not found.
    (task_files[0].parent / "more.yaml").write_text(
        task_files[0].read_text().replace("task: colours", "task: more")
    )
    refused(ConfigError, "'more'", ["more"], task_files)


@pytest.mark.slow
def test_shipped_tasks_are_found_beside_the_studys_own(task_files, monkeypatch):
    """The leaderboard's group is known; its rows would be fetched, so none are read."""
    managers = []

    def keep(**options):
        managers.append(TaskManager(**options))
        return managers[-1]

    monkeypatch.setattr(tasks, "TaskManager", keep)
    monkeypatch.setattr(TaskManager, "load", lambda self, names: {})
    with loaded_tasks(["colours", "leaderboard", "gsm8k"], task_files):
        assert len(managers) == 2


def test_rows_that_were_edited_since_they_were_fetched_are_refused(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1}\n')
    pin = {"sha256": sha256_file(rows), "bytes": rows.stat().st_size}
    write_result(tmp_path / "rows.jsonl.manifest.json", {FILES: {rows.name: pin}})
    rows.write_text('{"a": 2}\n')
    blocks = {"mine": {"files": {"test": str(rows)}}}
    said = r"rows\.jsonl: .* edited or damaged"
    refused(DataError, said, ["mine"], [rows], blocks)
