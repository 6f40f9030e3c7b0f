"""The fate of preempted jobs: requeued, or waited for without end."""

from collections.abc import Iterator

from safegrid.doctor.findings import Finding, fail, ok
from safegrid.doctor.profile import Profile
from safegrid.doctor.site import Site


def look_at(partitions: set[str], profile: Profile, site: Site) -> Iterator[Finding]:
    """Check what becomes of a preempted job in these partitions."""
    if site.setting("PreemptType") in ("", "preempt/none"):
        yield ok("preemption", "this site preempts no jobs")
        return
    for name in sorted(partitions & set(site.partitions)):
        mode = site.partitions[name].preempt_mode.upper()
        if not _may_be_preempted(name, site):
            yield ok("preemption", f"jobs of partition {name} are never preempted")
        elif "CANCEL" in mode:
            yield fail(
                "preemption",
                f"partition {name} cancels jobs that it preempts (PreemptMode={mode}):"
                " to Snakemake they are PREEMPTED, and waited for FOR EVER; take a"
                " partition with PreemptMode=REQUEUE or one that is not preempted",
            )
        elif "REQUEUE" in mode and not _requeued(profile, site):
            yield fail(
                "preemption",
                f"partition {name} puts preempted jobs back into the queue, but jobs of"
                " this profile may not be put back, so SLURM cancels them and Snakemake"
                f" waits FOR EVER: set slurm-requeue: true in {profile.file}",
            )
        else:
            told = (
                "go back into the queue" if "REQUEUE" in mode else f"PreemptMode={mode}"
            )
            yield ok("preemption", f"preempted jobs of partition {name}: {told}")


def _may_be_preempted(name: str, site: Site) -> bool:
    """Whether a partition that comes first shares nodes; by qos, it always may be."""
    if site.setting("PreemptType") != "preempt/partition_prio":
        return True
    tier = site.partitions[name].tier
    shared = {p for node in site.nodes_of(name) for p in node.partitions}
    return any(site.partitions[p].tier > tier for p in shared & set(site.partitions))


def _requeued(profile: Profile, site: Site) -> bool:
    settings = profile.settings()
    return settings.requeue or (
        site.setting("JobRequeue") == "1" and not settings.no_requeue
    )
