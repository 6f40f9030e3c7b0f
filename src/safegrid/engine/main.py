"""Entry point of an engine's process, by the kind that its launch spec names."""

from pathlib import Path

from safegrid.engine.registry import LaunchSpec


def run_engine(launch_spec: Path) -> None:
    """Serve one model until nobody needs it; started by a lease.

    Args:
        launch_spec: file beside the engine's log in the run's registry.
    """
    if LaunchSpec.read(launch_spec).kind == "vllm":
        from safegrid.engine.vllm import serve_vllm

        serve_vllm(launch_spec)
        return
    from safegrid.engine.server import serve

    serve(launch_spec)
