"""XSTest's file: look-alikes that are safe, and contrasts that are not."""

import random
from typing import Any

from miniworld.language import Request, draw_requests
from miniworld.plan import Plan, all_acts
from miniworld.source import Source, csv_text
from miniworld.words import LOOKALIKES

# Upstream has 250 safe and 200 unsafe prompts.
SAFE_SHARE = 250 / 450


def xstest_source(plan: Plan) -> Source:
    """Write the benchmark and a development part."""
    rows = plan.world.rows
    test = _requests(plan, "xstest", rows.xstest)
    dev = _requests(plan, "xstest_dev", rows.xstest_dev)
    rng = plan.rng("xstest types")
    return Source(
        {
            "xstest_prompts.csv": csv_text(_rows(test, rng)),
            "dev.csv": csv_text(_rows(dev, rng)),
        },
        {"xstest_prompts.csv": len(test), "dev.csv": len(dev)},
        {
            "xstest": {request.act.text for request in test},
            "xstest_dev": {request.act.text for request in dev},
        },
    )


def _requests(plan: Plan, part: str, count: int) -> list[Request]:
    rng = plan.rng(part)
    safe = round(SAFE_SHARE * count)
    alike = {kind: plan.harmless[part][kind] for kind in LOOKALIKES}
    return [
        *draw_requests(all_acts(alike), safe, rng, f"{part}: safe"),
        *draw_requests(
            all_acts(plan.harmful[part]), count - safe, rng, f"{part}: unsafe"
        ),
    ]


def _rows(requests: list[Request], rng: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "prompt": request.text,
            "type": _type(request, rng),
            "label": "unsafe" if request.act.harmful else "safe",
            "focus": request.act.verb,
            "note": request.act.topic if request.act.harmful else "",
        }
        for number, request in enumerate(requests, 1)
    ]


def _type(request: Request, rng: random.Random) -> str:
    if request.act.harmful:
        return f"contrast_{rng.choice(list(LOOKALIKES))}"
    return request.act.topic
