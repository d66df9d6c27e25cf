#!/usr/bin/env bash
# Campaigns in clouds, as far as a machine without an account can tell: installs SkyPilot in an environment of its own,
# and lets its schema, its optimiser and a dry run judge task files of campaigns, with a small made-up catalogue. Half a
# minute; says so and ends with 0 if SkyPilot cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/skypilot}
[ -x .venv/bin/pytest ] || python3 ci/install.py .venv
if ! "$folder/bin/python" -c 'import sky' >/dev/null 2>&1 &&
  ! "${PYTHON:-python3}" ci/install.py "$folder" --packages ci/skypilot.txt; then
  echo 'SKIPPED: SkyPilot (ci/skypilot.txt) cannot be installed here, its tests are not run' >&2
  exit 0
fi
ALGOPERF_SKYPILOT=$(realpath "$folder")/bin/python .venv/bin/pytest tests/campaigns/test_skypilot.py "${@:2}"
