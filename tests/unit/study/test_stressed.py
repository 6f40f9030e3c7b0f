"""Judges that are asked again on changed answers, and on whose."""

from safegrid.study import gathered, judges


def test_judges_that_say_a_word_of_an_answer_are_asked_again(load_tiny):
    study = load_tiny()
    assert judges.stressed(study) == ["tiny-guard", "tiny-refusal", "tiny-toxicity"]
    assert gathered.all_stressed(study)[0] == "results/tiny/stress/tiny-guard.parquet"
    assert judges.benchmarks(study, "tiny-refusal") == [
        "alert",
        "alert_adversarial",
        "xstest",
    ]
    models = {cell.model for cell in judges.cells(study, "tiny-guard")}
    assert models == set(study.models)


def test_a_study_asks_none_again_unless_it_says_so(load_tiny):
    assert judges.stressed(load_tiny(lambda study: study.pop("stress_answers"))) == []


def test_rules_and_text_heads_are_asked_and_what_costs_or_is_fixed_is_not(load_tiny):
    def judged(study):
        study["benchmarks"]["alert"]["judges"] += ["refusal-head", "refusal-rules"]
        study["benchmarks"]["c2_eval"] = {
            "prompts": {"source": "c2-eval", "file": "test"},
            "judges": ["gpt-4o-correction"],
        }

    found = judges.stressed(load_tiny(judged))
    assert {"refusal-head", "refusal-rules"} <= set(found)
    assert "gpt-4o-correction" not in found
