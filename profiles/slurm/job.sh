# Read by bash at the start of every job on the cluster, before its command. All lines
# below are examples: uncomment and change what your site needs. Its edits rerun nothing.

# Modules. Their scripts rarely survive `set -u`, under which jobs run.
# set +u; module load cuda; set -u

# A container with the environment of requirements.lock. Trainings on several nodes
# start `srun` themselves and cannot be put into one this way.
# python() { apptainer exec --nv --bind "$PWD" /path/to/safegrid.sif python "$@"; }

# Scratch on the node's own disk: temporary files, and the registry of engines, whose
# locks many network file systems do not keep.
# export TMPDIR="${SLURM_TMPDIR:-/tmp}" SAFEGRID_RUN_DIR="${SLURM_TMPDIR:-/tmp}"

# How GPUs of several nodes reach each other.
# export NCCL_SOCKET_IFNAME=ib0
