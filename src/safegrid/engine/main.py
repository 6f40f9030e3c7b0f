"""Entry point of an engine's process, by the kind that its launch spec names."""

from pathlib import Path

from safegrid.engine.registry import Ticket


def run_engine(ticket: Path) -> None:
    """Serve one model until nobody needs it; started by a lease.

    Args:
        ticket: file beside the engine's log in the run's registry.
    """
    if Ticket.read(ticket).kind == "vllm":
        from safegrid.engine.vllm import serve_vllm

        serve_vllm(ticket)
        return
    from safegrid.engine.server import serve

    serve(ticket)
