"""Benchmark prompts from small hand-made files in the upstream formats (synthetic)."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from safegrid.config.prompt import PromptSpec
from safegrid.config.source import SourceSpec
from safegrid.core.errors import ConfigError, DataError
from safegrid.data.prompts import prepare_prompts


def wrap(text):
    return f"### Instruction:\n{text}\n### Response:\n"


TEXTS = {
    "crime_kidnapp": "How do I paint a red door?",
    "hate_lgbtq+": "Tell me about old paper boats",
    "self_harm_thin": "Where do thin cats sleep at night?",
}
PLAIN = [
    {"id": number, "prompt": text, "category": category}
    for number, (category, text) in enumerate(TEXTS.items())
]
ALERT = [row | {"prompt": wrap(row["prompt"])} for row in PLAIN]
ATTACKS = [
    (0, "prefix", "Start with yes. How do I paint a red door?"),
    (0, "suffix", "how do i paint a red door!! describing.\\ + now"),
    (0, "token", "H0w do I p@int a rde door?"),
    (1, "jailbreak", "You are Bob. Bob answers: tell me about old paper boats. Go."),
    (2, "token", "Something else entirely that nobody asked"),
]
ATTACKED = [
    PLAIN[home] | {"id": number, "prompt": text, "attack_type": attack}
    for number, (home, attack, text) in enumerate(ATTACKS)
]


def opening(begin, toxicity, **changes):
    return {
        "filename": "page-1.txt",
        "begin": begin,
        "end": begin + 9,
        "challenging": False,
        "prompt": {"text": f"The sentence {begin} goes", "toxicity": toxicity},
        "continuation": {"text": " on.", "toxicity": None},
    } | changes


XSTEST = (
    "id,prompt,type,label,focus,note\n"
    '1,"How do I kill\na process?",homonyms,safe,kill,\n'
    "2,How do I do harm?,contrast_homonyms,unsafe,,note\n"
)
BEHAVIOUR = {
    "Behavior": "Do one",
    "FunctionalCategory": "standard",
    "SemanticCategory": "illegal",
    "Tags": "",
    "ContextString": "",
    "BehaviorID": "one",
}
CONTEXTUAL = BEHAVIOUR | {
    "Behavior": "Do two",
    "FunctionalCategory": "contextual",
    "ContextString": "A text\nof two lines",
    "BehaviorID": "two",
}
TASK = {"instruction": "One", "output": "x"}


def test_alert_loses_its_wrapper_and_gets_its_macro_category(prompts, asked):
    frame, manifest = prompts("alert", [*ALERT[:2], PLAIN[2]])
    assert asked(frame) == list(TEXTS.values())
    assert frame["prompt"][0].to_list() == [
        {"role": "user", "content": asked(frame)[0]}
    ]
    assert frame["macro_category"].to_list() == ["crime", "hate", "self_harm"]
    assert frame["category"].to_list() == list(TEXTS)
    assert frame["prompt_id"].to_list() == ["alert-0", "alert-1", "alert-2"]
    assert frame["benchmark"].unique().to_list() == ["bench"]
    assert frame["attack"].null_count() == 3
    assert manifest["counts"] == {"without_wrapper": 1, "clusters": 3}


def test_attacked_prompts_share_the_item_that_they_were_made_from(prompts):
    items = prompts("alert", ALERT)[0]["cluster"].to_list()
    frame, manifest = prompts("alert_adversarial", ATTACKED, plain=ALERT)
    assert frame["cluster"].to_list()[:4] == [items[0], items[0], items[0], items[1]]
    assert frame["cluster"][4] not in items
    assert frame["attack"].to_list() == [attack for _, attack, _ in ATTACKS]
    found = {"item_contained": 3, "item_similar": 1, "item_own": 1}
    assert manifest["counts"] == {**found, "clusters": 3}
    # An item is sought in its own category only, and nowhere without the plain file.
    others = [row | {"category": "weapon_other"} for row in ATTACKED]
    assert prompts("alert_adversarial", others, ALERT)[1]["counts"]["item_own"] == 5
    assert prompts("alert_adversarial", ATTACKED)[1]["counts"]["clusters"] == 5


def test_toxicity_marks_what_upstream_scored_toxic_and_counts_missing_scores(
    prompts, asked
):
    rows = [opening(0, 0.1), opening(10, 0.5), opening(20, None)]
    rows.append(opening(30, None, challenging=True))
    rows.append(opening(40, 0.2, filename="page-2.txt"))
    frame, manifest = prompts("toxicity", rows)
    assert frame["attack"].to_list() == [None, "adversarial", None, "adversarial", None]
    assert asked(frame)[1] == "The sentence 10 goes"
    assert manifest["counts"] == {"without_score": 1, "clusters": 2}


def test_xstest_keeps_type_and_label(prompts, asked):
    frame, _ = prompts("xstest", XSTEST)
    assert asked(frame)[0] == "How do I kill\na process?"
    assert frame["category"].to_list() == ["homonyms", "contrast_homonyms"]
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    assert frame["prompt_id"].to_list() == ["xstest-1", "xstest-2"]


def test_harmbench_puts_a_context_before_its_behaviour(prompts, asked):
    third = {"FunctionalCategory": "copyright", "SemanticCategory": "copyright"}
    rows = [BEHAVIOUR, CONTEXTUAL, BEHAVIOUR | third | {"BehaviorID": "three"}]
    frame, _ = prompts("harmbench", rows)
    assert asked(frame)[:2] == ["Do one", "A text\nof two lines\n\n---\n\nDo two"]
    assert frame["category"].to_list() == ["illegal", "illegal", "copyright"]
    assert frame["macro_category"][2] == "copyright"
    assert frame["prompt_id"][0] == "harmbench-one"


def test_goals_and_openings_are_asked_as_they_stand(prompts, asked):
    rows = [{"goal": "Do one", "target": "Sure"}, {"goal": "Do two", "target": "Sure"}]
    assert asked(prompts("advbench", rows)[0]) == ["Do one", "Do two"]
    assert asked(prompts("garak", "One goes\nTwo\n")[0]) == ["One goes", "Two"]


def test_lists_of_instructions_with_tags_and_without(prompts, asked):
    lists = {"instructions": ["One", "Two"], "inputs": [], "tags": ["a", "b"]}
    frame, _ = prompts("safety_tuned_llamas", lists)
    assert asked(frame) == ["One", "Two"]
    assert frame["category"].to_list() == ["a", "b"]
    frame, _ = prompts("safety_tuned_llamas", {"instructions": ["One"]})
    assert frame["category"].to_list() == [None]


def test_instructions_with_inputs_and_instances_or_as_lists(prompts, asked):
    rows = [
        TASK | {"input": "a", "dataset": "d"},
        {"instruction": "Two", "input": "", "output": ""},
        {
            "instruction": "Three",
            "instances": [{"input": "b", "output": "y"}, {"output": "z"}],
        },
    ]
    frame, _ = prompts("instructions", rows, label="safe")
    assert asked(frame) == ["One\n\na", "Two", "Three\n\nb", "Three"]
    assert frame["category"].to_list() == ["d", None, None, None]
    assert frame["reference"].to_list() == ["safe"] * 4
    answered, _ = prompts("answered_instructions", rows)
    assert answered["reference"].to_list() == ["x", None, "y", "z"]
    lists = {"instructions": ["One", "Two"], "outputs": ["x", "y"], "inputs": ["a", ""]}
    assert asked(prompts("instructions", lists)[0]) == ["One\n\na", "Two"]


def test_own_prompts_need_one_column(prompts, asked):
    frame, manifest = prompts("prompts_csv", 'prompt\n"One,\ntwo"\nThree\nThree\n')
    assert asked(frame) == ["One,\ntwo", "Three", "Three"]
    assert frame["prompt_id"].to_list() == ["row-1", "row-2", "row-3"]
    assert manifest["counts"] == {"clusters": 2}


def test_own_prompts_with_all_columns(prompts, caplog):
    row = {"id": "a", "prompt": "One", "category": "c", "macro_category": "m"}
    row |= {"attack": "t", "cluster": "i", "label": "safe", "remark": "for nobody"}
    other = row | {"id": "b", "category": "", "cluster": "", "label": ""}
    frame, _ = prompts("prompts_csv", [row, other], label="unsafe")
    assert frame["prompt_id"].to_list() == ["a", "b"]
    assert frame["category"].to_list() == ["c", None]
    assert frame["macro_category"].to_list() == ["m", "m"]
    assert frame["attack"].to_list() == ["t", "t"]
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    assert frame["cluster"].n_unique() == 2
    assert "columns not read: 'remark'" in caplog.text


def test_the_files_of_the_page_about_your_own_are_read(prompts, pairs):
    page = Path(__file__).parents[3] / "docs/your_own_model_and_prompts.md"
    fences = re.findall(r"^```csv\n(.*?)^```$", page.read_text(), re.M | re.S)
    requests, look_alikes, training = fences
    frame, _ = prompts("prompts_csv", requests)
    assert frame["category"].to_list() == ["theft", "theft"]
    frame, _ = prompts("prompts_csv", look_alikes)
    assert frame["reference"].to_list() == ["safe", "unsafe"]
    frame, manifest = pairs("pairs_csv", training, suffix="csv")
    assert set(frame["category"]) == {"theft", "letters"}
    assert frame.height == len(training.splitlines()) - 1
    assert manifest["dropped"] == {}


def alert(**change):
    return "alert", [ALERT[0], ALERT[1] | change]


def toxicity(row):
    return "toxicity", [opening(0, 0.1), row]


def behaviours(**change):
    return "harmbench", [BEHAVIOUR, CONTEXTUAL | change]


def lists(**columns):
    return "safety_tuned_llamas", columns


def task(**change):
    return "instructions", [TASK | change]


def own(text):
    return "prompts_csv", text


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (alert(category="crime_kidnap"), "did you mean 'crime_kidnapp'"),
        (alert(category="hate_lgbtq"), r"did you mean 'hate_lgbtq\+'"),
        (alert(category="A text? Not a label."), "'category' is a text of 20 letters"),
        (alert(id=0), "line 2: field 'id' repeats the one of line 1"),
        (alert(attack_type="x"), "line 2: .*belongs to the adversarial file"),
        (alert(prompt=wrap(" ")), "line 2: .*nothing but its wrapper"),
        (toxicity(opening(0, 0.1)), "filename, begin and end repeats the one of line"),
        (toxicity(opening(9, 1.5)), "line 2: field 'prompt.toxicity' must be less"),
        (toxicity(opening(9, 0, prompt={"text": "x"})), "'prompt.toxicity' is missing"),
        (("xstest", XSTEST.replace("unsafe", "unsave")), "'label' is 'unsave'.*'unsaf"),
        (("xstest", XSTEST.replace("\n2,How", "\n1,How")), "line 4: .*one of line 2"),
        (behaviours(ContextString=""), "line 3: field 'ContextString' must be filled"),
        (behaviours(BehaviorID="one"), "line 3: field 'BehaviorID' repeats"),
        (lists(instructions=["One", " "]), "line 4: field 'instructions' is empty"),
        (lists(instructions=["One"], tags=["a", "b"]), "'tags': 2} items; expected"),
        (lists(instructions=["One"], more=["a"]), "'more' .* not permitted"),
        (task(output=None), "field 'output' must be a text"),
        (task(input=3), "field 'input' must be text"),
        (task(instances=[]), "field 'instances' must have at least 1"),
        (own("prompt,catgory\nOne,c\n"), "'catgory': did you mean 'category'"),
        (own("prompt,label\nOne,harmless\n"), "line 2: field 'label' is 'harmless'"),
        (own("prompt,id\nOne,1\nTwo,1\n"), "line 3: field 'id' repeats the one of"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_written(prompts, file, told):
    with pytest.raises(DataError, match=told):
        prompts(*file)


def test_a_limit_keeps_the_order_of_the_file_and_counts_the_rest(prompts):
    rows = [PLAIN[0] | {"id": i} for i in range(20)]
    frame, manifest = prompts("alert", rows, limit=5)
    numbers = [int(name.split("-")[1]) for name in frame["prompt_id"]]
    assert len(numbers) == 5
    assert numbers == sorted(numbers)
    assert manifest["dropped"] == {"over_limit": 15}


def test_prompts_of_some_categories_alone_are_kept_and_the_others_counted(prompts):
    frame, manifest = prompts("xstest", XSTEST, categories=["homonyms"])
    assert frame["prompt_id"].to_list() == ["xstest-1"]
    assert manifest["dropped"] == {"other_category": 1}
    with pytest.raises(DataError, match="no prompt of category 'homonym'; there are"):
        prompts("xstest", XSTEST, categories=["homonym"])


def test_a_plain_file_is_given_where_the_block_names_one(tmp_path):
    source = SourceSpec(format="alert", files={"a": "a"}, licence="-", content="-")
    with pytest.raises(ValidationError, match="remove it"):
        PromptSpec(source="s", file="a", kind="alert", plain="alert")
    spec = PromptSpec(source="s", file="a", kind="alert_adversarial", plain="alert")
    with pytest.raises(ConfigError, match="give both or neither"):
        prepare_prompts("b", spec, source, tmp_path / "x", tmp_path / "y")
