"""Checks of a node's answer: environment, folders, locks, GPUs, no hub."""

from collections.abc import Iterator, Mapping

from safegrid.doctor.findings import Finding, fail, ok, warn
from safegrid.doctor.node import Answer, environment
from safegrid.doctor.site import Gres

EDIT = "profiles/slurm/job.sh"


def look_at_answer(
    subject: str, answer: Answer, token: str, gres: tuple[Gres, ...]
) -> Iterator[Finding]:
    """Check what a node answered.

    Args:
        subject: what the findings are about.
        answer: of `node.probe_node`.
        token: what was asked with.
        gres: what the probe asked for.
    """
    if answer.token != token:
        yield fail(subject, "it read another question than the one that was put there")
    yield _environment(subject, answer.environment)
    yield from _folders(subject, answer.seen)
    yield _offline(subject, answer.offline)
    yield _locks(subject, answer.locks)
    gpus = sum(part.count for part in gres if part.kind == "gpu")
    if gpus:
        yield _gpus(subject, answer, gpus)


def _environment(subject: str, there: Mapping[str, str]) -> Finding:
    here = environment()
    differ = [
        f"{k} {there.get(k)}, here {v}" for k, v in here.items() if there.get(k) != v
    ]
    if differ:
        return fail(
            subject,
            f"another environment than here: {'; '.join(differ)}; jobs must run with"
            f" the same one: see to it in {EDIT}",
        )
    return ok(subject, f"Python {there['python']} and the libraries are those of here")


def _folders(subject: str, seen: Mapping[str, bool]) -> Iterator[Finding]:
    for name, there in seen.items():
        if there:
            yield ok(subject, f"{name} is the same folder as here")
        elif name.startswith("HF_"):
            yield warn(
                subject,
                f"{name} is not the same folder as here; fetched models and data lie in"
                " results/ and need none of it, only what you put there by hand is"
                f" missed: set {name} to a folder that nodes see",
            )
        else:
            yield fail(
                subject,
                f"{name} is not the same folder as here: results and fetched models"
                " must lie where all nodes see them; a link must lead there too",
            )


def _offline(subject: str, value: str) -> Finding:
    if value == "1":
        return ok(subject, "jobs ask no hub: HF_HUB_OFFLINE is 1")
    return fail(
        subject,
        f"HF_HUB_OFFLINE is {value!r} in jobs, expected 1: on a node without a network"
        f" libraries would wait for a hub; leave it as it is in {EDIT}",
    )


def _locks(subject: str, problem: str) -> Finding:
    if not problem:
        return ok(subject, "locks hold where engines are registered")
    return fail(
        subject,
        f"locks do not hold where engines are registered: {problem}; set"
        f" SAFEGRID_RUN_DIR to a folder on the node's own disk in {EDIT}",
    )


def _gpus(subject: str, answer: Answer, wanted: int) -> Finding:
    given, seen = answer.gpus, answer.cuda
    if not given or given == "NoDevFiles":
        return fail(
            subject,
            f"{wanted} GPU asked for, but CUDA_VISIBLE_DEVICES is {given!r} in the job:"
            " SLURM does not hand out GPUs there; ask the administrator",
        )
    if seen is None:
        return warn(
            subject,
            f"CUDA_VISIBLE_DEVICES is {given}, but there is no NVIDIA driver: is this a"
            " GPU? jobs would run on the CPU",
        )
    if seen < wanted:
        return fail(
            subject,
            f"{wanted} GPU asked for, and torch sees {seen}: its build does not fit the"
            " driver; install another one (TORCH_BUILD of make)",
        )
    return ok(subject, f"CUDA_VISIBLE_DEVICES is {given}, and torch sees {seen}")
