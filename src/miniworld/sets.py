"""Evaluation sets in the json of Safety-Tuned LLaMAs (Bianchi et al. 2024).

Sets `I-` give instructions, `Q-` asks questions. They are drawn from the acts of
ALERT's part: of the harmful ones in requests that ALERT does not hold, of the harmless
ones, which ALERT has no use for, in any. No two sets share a request.
"""

from miniworld.alert import alert_requests
from miniworld.language import Act, Request, draw_from
from miniworld.plan import Acts, Plan, all_acts
from miniworld.source import Source, json_text
from miniworld.words import FORMS, LOOKALIKES

PART = "alert"
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


def sets_source(plan: Plan) -> Source:
    """Write the seven sets."""
    drawn = draw_sets(plan)
    return Source(
        {FILES[name]: _text(name, requests) for name, requests in drawn.items()},
        {FILES[name]: len(requests) for name, requests in drawn.items()},
        {PART: {request.act.text for own in drawn.values() for request in own}},
    )


def draw_sets(plan: Plan) -> dict[str, list[Request]]:
    """Draw the requests of each set.

    Raises:
        DataError: a set asks for more than its topics leave.
    """
    alert = alert_requests(plan, PART, plan.world.rows.alert)
    taken = {request for own in alert.values() for request in own}
    drawn = {}
    for name in FILES:
        rng = plan.rng(f"sets {name}")
        forms = QUESTIONS if FILES[name].startswith("Q-") else INSTRUCTIONS
        found = []
        for acts, count in _wanted(plan, name):
            pool = [Request(act, form) for act in acts for form in forms]
            free = [request for request in pool if request not in taken]
            found += draw_from(free, count, rng, f"sets: {name}")
            taken.update(found)
        drawn[name] = rng.sample(found, len(found))
    return drawn


def _wanted(plan: Plan, name: str) -> list[tuple[list[Act], int]]:
    """Return the acts that a set asks for, and how many requests."""
    count: int = getattr(plan.world.rows.sets, name)
    harmful, harmless = plan.harmful[PART], plan.harmless[PART]
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


def _text(name: str, requests: list[Request]) -> str:
    lists = {"instructions": [request.text for request in requests], "inputs": []}
    if name == "malicious":
        lists["tags"] = [request.act.topic.partition("_")[0] for request in requests]
    return json_text(lists)
