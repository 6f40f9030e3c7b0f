"""Safety benchmarks in their upstream formats.

ALERT, XSTest, RealToxicityPrompts, and the sets of Safety-Tuned LLaMAs (Bianchi et al.
2024), of which `I-` give instructions and `Q-` asks questions. The sets are drawn from
the acts of ALERT's part: of the harmful ones in requests that ALERT does not hold, of
the harmless ones, which ALERT has no use for, in any. No two sets share a request.
"""

import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from miniworld.answers import continue_text, is_rude
from miniworld.language import (
    ATTACKS,
    CHALLENGING_SHARE,
    Act,
    Acts,
    Opening,
    Request,
    all_acts,
    attack_text,
    draw_opening,
)
from miniworld.plan import Files, Plan, Row
from miniworld.words import FORMS, LOOKALIKES

# As upstream stores ALERT's prompts (config `alert` only).
WRAPPER = "### Instruction:\n{request}\n### Response:\n"
# XSTest has 250 safe and 200 unsafe prompts.
SAFE_SHARE = 250 / 450

ATTRIBUTES = (
    *("profanity", "sexually_explicit", "identity_attack", "flirtation"),
    *("threat", "insult", "severe_toxicity", "toxicity"),
)
# Those that a rude word raises; nothing in this world raises the others.
RAISED = ("profanity", "insult", "toxicity")

QUESTIONS = tuple(n for n, form in enumerate(FORMS) if form.startswith("How"))
INSTRUCTIONS = tuple(n for n in range(len(FORMS)) if n not in QUESTIONS)
# Upstream's names by those of the world's `sets`.
FILES = {
    "cona": "I-CoNa.json",
    "malicious": "I-MaliciousInstructions.json",
    "controversial": "I-Controversial.json",
    "physical_unsafe": "I-PhysicalSafetyUnsafe.json",
    "physical_safe": "I-PhysicalSafetySafe.json",
    "harm_questions": "Q-Harm.json",
    "alpaca": "I-Alpaca.json",
}
# Beginnings of the harmful categories that a set is about.
TOPICS = {
    "cona": ("hate_",),
    "controversial": ("crime_propaganda", "hate_religion", "sex_"),
    "physical_unsafe": ("self_harm_", "substance_", "weapon_"),
    "harm_questions": ("",),
}
# Of 100 malicious instructions, as upstream tags them; the others are crimes.
HATE = 66


def alert_source(plan: Plan) -> Files:
    """Write ALERT, its adversarial form without the wrapper, and a development part."""
    rows = plan.world.rows
    test = alert_requests(plan, "alert", rows.alert)
    dev = alert_requests(plan, "alert_dev", rows.alert_dev)
    rng = plan.rng("attacks")
    attacked = [
        {
            "prompt": attack_text(attack, request.text, rng),
            "category": category,
            "attack_type": attack,
        }
        for attack in ATTACKS
        for category, own in test.items()
        for request in rng.sample(own, rows.attacks)
    ]
    return {
        "alert.jsonl": _numbered(_wrapped(test)),
        "alert_adversarial.jsonl": _numbered(attacked),
        "dev.jsonl": _numbered(_wrapped(dev)),
    }


def alert_requests(plan: Plan, part: str, count: int) -> dict[str, list[Request]]:
    """Return the requests of a part by micro category: the same ones at every call."""
    rng = plan.rng(part)
    return {
        category: plan.draw_requests(part, acts, count, rng, f"{part}: {category}")
        for category, acts in plan.harmful[part].items()
    }


def _wrapped(requests: dict[str, list[Request]]) -> list[Row]:
    return [
        {"prompt": WRAPPER.format(request=request.text), "category": category}
        for category, own in requests.items()
        for request in own
    ]


def _numbered(rows: Sequence[Row]) -> list[Row]:
    return [{"id": number, **row} for number, row in enumerate(rows)]


def xstest_source(plan: Plan) -> Files:
    """Write XSTest and a development part: look-alikes, and unsafe contrasts."""
    rows = plan.world.rows
    test = _lookalikes(plan, "xstest", rows.xstest)
    dev = _lookalikes(plan, "xstest_dev", rows.xstest_dev)
    rng = plan.rng("xstest types")
    return {"xstest_prompts.csv": _typed(test, rng), "dev.csv": _typed(dev, rng)}


def _lookalikes(plan: Plan, part: str, count: int) -> list[Request]:
    rng = plan.rng(part)
    safe = round(SAFE_SHARE * count)
    alike = all_acts({kind: plan.harmless[part][kind] for kind in LOOKALIKES})
    unsafe = all_acts(plan.harmful[part])
    return [
        *plan.draw_requests(part, alike, safe, rng, f"{part}: safe"),
        *plan.draw_requests(part, unsafe, count - safe, rng, f"{part}: unsafe"),
    ]


def _typed(requests: list[Request], rng: random.Random) -> list[Row]:
    kinds = list(LOOKALIKES)
    return [
        {
            "id": number,
            "prompt": request.text,
            "type": f"contrast_{rng.choice(kinds)}" if act.harmful else act.topic,
            "label": "unsafe" if act.harmful else "safe",
            "focus": act.verb,
            "note": act.topic if act.harmful else "",
        }
        for number, request in enumerate(requests, 1)
        for act in [request.act]
    ]


def toxicity_source(plan: Plan) -> Files:
    """Write prompts with continuations, scored; half are challenging: they insult."""
    rng = plan.rng("toxicity")
    count = plan.world.rows.toxicity
    hard = round(CHALLENGING_SHARE * count)
    openings = [
        opening
        for challenging, number in ((True, hard), (False, count - hard))
        for opening in plan.draw_distinct(
            "toxicity", number, rng, partial(draw_opening, challenging=challenging)
        )
    ]
    rows = [_continued(number, opening, rng) for number, opening in enumerate(openings)]
    return {"prompts.jsonl": rows}


def _continued(number: int, opening: Opening, rng: random.Random) -> Row:
    continuation = f" {continue_text(opening, rng)}"
    return {
        "filename": f"{number:07d}.txt",
        "begin": 0,
        "end": len(opening.text) + len(continuation),
        "challenging": bool(opening.insult),
        "prompt": {"text": opening.text, **_scores(opening.text, rng)},
        "continuation": {"text": continuation, **_scores(continuation, rng)},
    }


def _scores(text: str, rng: random.Random) -> dict[str, float]:
    rude = is_rude(text)
    return {
        name: round(rng.uniform(0.6, 0.95) if rude and name in RAISED else low, 4)
        for name in ATTRIBUTES
        for low in [rng.uniform(0.01, 0.2)]
    }


def sets_source(plan: Plan) -> Files:
    """Write the seven sets of Safety-Tuned LLaMAs."""
    drawn = draw_sets(plan)
    return {FILES[name]: _lists(name, requests) for name, requests in drawn.items()}


def draw_sets(plan: Plan) -> dict[str, list[Request]]:
    """Draw the requests of each set; refuse more than its topics leave."""
    alert = alert_requests(plan, "alert", plan.world.rows.alert)
    taken = {request for own in alert.values() for request in own}
    drawn = {}
    for name, file in FILES.items():
        rng = plan.rng(f"sets {name}")
        forms = QUESTIONS if file.startswith("Q-") else INSTRUCTIONS
        found: list[Request] = []
        for acts, count in _wanted(plan, name):
            found += plan.draw_requests(
                "alert", acts, count, rng, f"sets: {name}", forms, taken
            )
            taken.update(found)
        drawn[name] = rng.sample(found, len(found))
    return drawn


def _wanted(plan: Plan, name: str) -> list[tuple[list[Act], int]]:
    """Return the acts that a set asks for, and how many requests."""
    count: int = getattr(plan.world.rows.sets, name)
    harmful, harmless = plan.harmful["alert"], plan.harmless["alert"]
    if name == "malicious":
        hate = round(count * HATE / 100)
        kinds = (("hate_", hate), ("crime_", count - hate))
        return [(_about(harmful, (topic,)), number) for topic, number in kinds]
    if name in TOPICS:
        return [(_about(harmful, TOPICS[name]), count)]
    kinds_of = LOOKALIKES if name == "physical_safe" else ("plain",)
    return [([act for kind in kinds_of for act in harmless[kind]], count)]


def _about(acts: Acts, topics: tuple[str, ...]) -> list[Act]:
    return all_acts({t: own for t, own in acts.items() if t.startswith(topics)})


def _lists(name: str, requests: list[Request]) -> dict[str, list[Any]]:
    lists = {"instructions": [request.text for request in requests], "inputs": []}
    if name == "malicious":
        lists["tags"] = [request.act.topic.partition("_")[0] for request in requests]
    return lists
