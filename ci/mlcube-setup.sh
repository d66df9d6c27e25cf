#!/usr/bin/env bash
# ci/mlcube-setup.sh [FOLDER] : installs the `mlcube` tool in a separate environment (default build/mlcube).
# Prints the path of the command. Needs Python 3.11 (PYTHON=...): the tool does not run on 3.13.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-$root/build/mlcube}
if ! "$folder/bin/mlcube" --version >/dev/null 2>&1; then
  mkdir -p "$(dirname "$folder")"
  "${PYTHON:-python3}" "$root/ci/install.py" "$folder" --packages "$root/ci/mlcube.txt" >&2
fi
echo "$folder/bin/mlcube"
