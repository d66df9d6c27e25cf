#!/usr/bin/env bash
# Containers, end to end: starts a Docker engine if none answers, builds the images of all cubes, and runs the tests in
# tests/containers: all four tasks through `mlcube run` with miniature data, as a non-root user, and submissions that
# try to break out. This takes about five minutes on two cores.
# shellcheck disable=SC2317  # functions are called through `step`
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
export ALGOPERF_E2E_REPORT=$work/report
step() {
  local start=$SECONDS
  "${@:2}"
  echo "$1: $((SECONDS - start)) s" >>"$ALGOPERF_E2E_REPORT"
}

engine() { eval "$(ci/engine.sh)"; }
tool() {
  # Root's Python may be in a folder that others cannot read; Debian's is readable for all.
  if [ "$(id -u)" = 0 ]; then
    export PYTHON=/usr/bin/python3
    $PYTHON -c 'import ensurepip' 2>/dev/null ||
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  fi
  ALGOPERF_MLCUBE=$(ci/mlcube-setup.sh "$work/mlcube")
  export ALGOPERF_MLCUBE
}
configure() { MLCUBE_SYSTEM_SETTINGS=$work/settings.yaml "$ALGOPERF_MLCUBE" configure --mlcube=cubes/mnist; }

[ -x .venv/bin/pytest ] || python3 ci/install.py .venv
step 'engine' engine
mapfile -t cubes < <(cd cubes && printf '%s\n' */ | tr -d /)
step 'images' ci/images.sh "${cubes[@]}"
step 'mlcube tool' tool
step 'mlcube configure' configure
status=0
.venv/bin/pytest tests/containers "$@" || status=$?
cat "$ALGOPERF_E2E_REPORT"
exit $status
