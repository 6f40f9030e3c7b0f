"""A study whose judge is a text head: what trains it, and what stands beside it."""

HEAD = "results/tiny/heads/refusal-head.json"


def judged_twice(study):
    study["benchmarks"]["alert"]["judges"] += ["refusal-head", "refusal-rules"]


def test_a_head_is_trained_by_the_study_from_labelled_files(load_tiny):
    study = load_tiny(judged_twice)
    assert study.heads == ["refusal-head"]
    encoder = "results/encoders/minilm-l6"
    assert study.judge_stack("refusal-head", "tiny-base") == [HEAD, encoder]
    files = study.head_rows("refusal-head")
    assert files[0].startswith("results/raw/xstest-completions/")
    assert len(files) == len(study.head_formats("refusal-head"))
    assert HEAD in study.all_validated()


def test_each_two_judges_of_refusals_on_a_benchmark_are_compared(load_tiny):
    study = load_tiny(judged_twice)
    pairs = study.refusal_pairs
    assert pairs == [
        ("refusal-head", "refusal-rules"),
        ("refusal-head", "tiny-refusal"),
        ("refusal-rules", "tiny-refusal"),
    ]
    first = study.compared_verdicts("refusal-head", "refusal-rules")
    second = study.compared_with("refusal-rules", "refusal-head")
    assert {path.rsplit("/", 1)[1] for path in first} == {"alert.parquet"}
    assert [path.replace("refusal-head", "refusal-rules") for path in first] == second
    assert set(study.agreements()) <= set(study.all_validated())
    assert load_tiny().agreements() == []
