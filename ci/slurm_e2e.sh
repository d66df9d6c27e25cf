#!/usr/bin/env bash
# Campaigns on a cluster, end to end: brings a real Slurm up on this machine (as root, on Debian or Ubuntu), runs the
# tests of the engine `slurm` on it, and takes it down again. About a minute; MARKED=full kills at random moments.
set -euo pipefail
cd "$(dirname "$0")/.."
export ALGOPERF_SLURM_STATE=${ALGOPERF_SLURM_STATE:-/var/lib/algoperf-slurm}
[ -x .venv/bin/pytest ] || python3 ci/install.py .venv
trap 'ci/slurm.sh down' EXIT
settings=$(ci/slurm.sh up) # by itself: in `eval "$(...)"`, its failure would go unnoticed
eval "$settings"
.venv/bin/pytest -m "${MARKED:-not full}" tests/campaigns/test_slurm_engine.py "$@"
