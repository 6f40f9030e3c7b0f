"""Files of a run's engines that are of another shape are told, with what to do."""

import pytest

from safegrid.core.errors import DataError, EngineError
from safegrid.engine.registry import EngineEntry, LaunchSpec

ODD = ["[1]", "", "7", '{"pid": 1}', '{"pid": "1", "started": 0.0, "host": "h"}']


@pytest.mark.parametrize("text", ODD)
def test_the_file_that_names_an_engines_process(tmp_path, text):
    entry = EngineEntry(tmp_path / "engine")
    entry.state.write_text(text)
    with pytest.raises(EngineError, match=r"engine\.json: holds no Process.*remove"):
        entry.process()


@pytest.mark.parametrize("text", [*ODD, '{"kind": "safegrid", "owner": [1]}'])
def test_the_launch_spec_of_an_engine(tmp_path, text):
    (tmp_path / "launch_spec").write_text(text)
    with pytest.raises(DataError, match="launch_spec: holds no LaunchSpec"):
        LaunchSpec.read(tmp_path / "launch_spec")


def test_a_launch_spec_that_is_gone(tmp_path):
    with pytest.raises(DataError, match="launch_spec: no such file"):
        LaunchSpec.read(tmp_path / "launch_spec")
