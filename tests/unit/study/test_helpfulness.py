"""What a study says of helpfulness: checked while it is planned."""

from typing import Any

import pytest

from safegrid.core.errors import ConfigError
from safegrid.study import Study, judges


@pytest.fixture
def load(load_tiny: Any) -> Any:
    """Load study tiny with one benchmark."""

    def _load(name: str, **block: Any) -> Study:
        return load_tiny(lambda study: study.update(benchmarks={name: block}))

    return _load


@pytest.mark.parametrize("name", ["boolq", "openbookqa", "piqa", "single_word"])
def test_a_worlds_questions_need_no_more_than_their_source(
    load: Any, name: str
) -> None:
    study = load(name, prompts={"source": "tiny-questions", "file": name})
    assert study.config.benchmarks[name].metric == "helpfulness"
    kinds = judges.kinds(study, name)
    assert set(kinds.values()) <= {"exact_choice", "contains"}
    # Rules need no folder.
    assert [judges.stack(study, judge, "tiny-base") for judge in kinds] == [[]]


def test_a_judge_of_references_goes_by_what_it_compares(load: Any) -> None:
    study = load(
        "boolq",
        prompts={"source": "tiny-questions", "file": "boolq"},
        judges=["bertscore", "rouge-l", "tiny-fluency"],
    )
    assert judges.kinds(study, "boolq") == {
        "bertscore": "bertscore",
        "rouge-l": "rouge_l",
        "tiny-fluency": "fluency",
    }
    assert judges.stack(study, "bertscore", "tiny-base") == ["results/judges/bertscore"]


def test_a_reference_needs_prompts_with_a_known_answer(load: Any) -> None:
    with pytest.raises(ConfigError, match="kind 'xstest' has none; expected one of"):
        load(
            "xstest",
            prompts={"source": "tiny-xstest", "file": "xstest"},
            judges=["tiny-refusal", "exact-choice"],
        )
