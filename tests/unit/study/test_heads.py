"""A study whose judge is a text head: what trains it, and what stands beside it."""

from safegrid.study import gathered, judges

HEAD = "results/tiny/heads/refusal-head.json"


def judged_twice(study):
    study["benchmarks"]["alert"]["judges"] += ["refusal-head", "refusal-rules"]


def test_a_head_is_trained_by_the_study_from_labelled_files(load_tiny):
    study = load_tiny(judged_twice)
    assert judges.heads(study) == ["refusal-head"]
    encoder = "results/encoders/minilm-l6"
    assert judges.stack(study, "refusal-head", "tiny-base") == [HEAD, encoder]
    files = judges.head_rows(study, "refusal-head")
    assert files[0].startswith("results/raw/xstest-completions/")
    assert len(files) == len(judges.head_formats(study, "refusal-head"))
    assert HEAD in gathered.all_validated(study)


def test_each_two_judges_of_a_kind_on_a_benchmark_are_compared(load_tiny):
    study = load_tiny(judged_twice)
    pairs = judges.pairs(study)
    assert pairs == [
        ("refusal-head", "refusal-rules"),
        ("refusal-head", "tiny-refusal"),
        ("refusal-rules", "tiny-refusal"),
    ]
    first = judges.verdicts_beside(study, "refusal-head", "refusal-rules")
    second = judges.verdicts_beside(study, "refusal-rules", "refusal-head")
    assert {path.rsplit("/", 1)[1] for path in first} == {"alert.parquet"}
    assert [path.replace("refusal-head", "refusal-rules") for path in first] == second
    agreements = [f for f in gathered.all_validated(study) if "/agreement/" in f]
    assert agreements[0] == "results/tiny/agreement/refusal-head/refusal-rules.json"
    assert len(agreements) == 3
    assert judges.pairs(load_tiny()) == []


def test_two_guards_are_compared_by_what_is_unsafe(load_tiny):
    def guarded(study):
        study["benchmarks"]["alert"]["judges"] += ["mini-guard"]

    study = load_tiny(guarded)
    assert judges.pairs(study) == [("mini-guard", "tiny-guard")]
    assert judges.positive(study, "tiny-guard") == "unsafe"
    assert judges.positive(study, "tiny-refusal") == "refusal"
