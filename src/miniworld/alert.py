"""ALERT's files: plain prompts in their wrapper, and adversarial ones without."""

import random
from typing import Any

from miniworld.attacks import ATTACKS, attack_text
from miniworld.language import Request, draw_requests
from miniworld.plan import Plan
from miniworld.source import Source, jsonl

# As upstream stores its prompts (config `alert` only).
WRAPPER = "### Instruction:\n{request}\n### Response:\n"


def alert_source(plan: Plan) -> Source:
    """Write the benchmark, its adversarial form, and a development part."""
    rows = plan.world.rows
    test = alert_requests(plan, "alert", rows.alert)
    dev = alert_requests(plan, "alert_dev", rows.alert_dev)
    adversarial = _adversarial(test, rows.attacks, plan.rng("attacks"))
    files = {
        "alert.jsonl": _plain(test),
        "alert_adversarial.jsonl": adversarial,
        "dev.jsonl": _plain(dev),
    }
    return Source(
        {name: jsonl(content) for name, content in files.items()},
        {name: len(content) for name, content in files.items()},
        {"alert": _acts(test), "alert_dev": _acts(dev)},
    )


def alert_requests(plan: Plan, part: str, count: int) -> dict[str, list[Request]]:
    """Return the requests of a part by micro category: the same ones at every call.

    Raises:
        DataError: the part has fewer.
    """
    rng = plan.rng(part)
    return {
        category: draw_requests(acts, count, rng, f"{part}: {category}")
        for category, acts in plan.harmful[part].items()
    }


def _plain(requests: dict[str, list[Request]]) -> list[dict[str, Any]]:
    return [
        {"id": number, "prompt": WRAPPER.format(request=request.text), "category": name}
        for number, (name, request) in enumerate(
            (name, request) for name, own in requests.items() for request in own
        )
    ]


def _adversarial(
    requests: dict[str, list[Request]], count: int, rng: random.Random
) -> list[dict[str, Any]]:
    attacked = [
        (attack_text(attack, request.text, rng), name, attack)
        for attack in ATTACKS
        for name, own in requests.items()
        for request in rng.sample(own, count)
    ]
    return [
        {"id": number, "prompt": text, "category": name, "attack_type": attack}
        for number, (text, name, attack) in enumerate(attacked)
    ]


def _acts(requests: dict[str, list[Request]]) -> set[str]:
    return {request.act.text for own in requests.values() for request in own}
