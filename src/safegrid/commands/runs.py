"""Studies, clusters and engines: what starts, watches and ends jobs."""

from safegrid.commands.command import Command, command

RUNS: dict[str, Command] = {
    "study": command(
        "safegrid.workflow.study:run_study",
        "Run a study to its report, as `make study` does.",
        "study:study cores:int sources_dir:text? rebuild_damaged:flag?",
        job=False,
    ),
    "status": command(
        "safegrid.report.status:print_status",
        "Show how each cell of a study stands; starts no job.",
        "study:study sources_dir:text? html:path?",
        job=False,
    ),
    "plan": command(
        "safegrid.cost.plan:print_plan",
        "Say what a study will take on a GPU, and what it needs from outside.",
        "study:study gpu:text price:text? mfu:text? out:path? sources_dir:text?",
        job=False,
    ),
    "doctor": command(
        "safegrid.doctor.run:doctor",
        "Check a profile, its cluster and its nodes before anything is submitted.",
        "profile:text study:study? sources_dir:text? patience:int? no_probe:flag?",
        job=False,
    ),
    "probe-node": command(
        "safegrid.doctor.node:probe_node",
        "Tell what a node sees; the doctor starts it there.",
        "ask:path out:path",
        job=False,
    ),
    "rates": command(
        "safegrid.workflow.rates:print_rates",
        "Print what the rows of a study took: time and memory by stage.",
        "study:study",
        job=False,
    ),
    "cell-manifest": command(
        "safegrid.workflow.cell_manifest:write_cell_manifest",
        "List what a model's cells are made of: hash and speed of each file.",
        "files:paths config:path out:path",
    ),
    "end-run": command(
        "safegrid.workflow.lock:end_run",
        "End what is left of a dead run in this folder.",
        "",
        job=False,
    ),
    "engine": command(
        "safegrid.engine.main:run_engine",
        "Serve one model; started by whoever takes the first lease of it.",
        "launch_spec:path",
        job=False,
    ),
    "fork-server": command(
        "safegrid.engine.fork_server:serve_forks",
        "Import what engines need once and fork them; started like an engine.",
        "launch_spec:path listener:int",
        job=False,
    ),
    "stop-engines": command(
        "safegrid.engine.lease:stop_all",
        "End all engines of this run or job on this machine.",
        "folder:path?",
        job=False,
    ),
}
