#!/usr/bin/env bash
# Ensures that a Docker engine answers, and prints the line that points to it:
#
#     eval "$(ci/engine.sh)"
#
# Uses an engine that already answers. Otherwise, as root on Debian or Ubuntu, installs Docker if it is missing, and
# starts it without bridge and firewall rules. Then containers only have --network=none or host, which is all that the
# cubes use, and the engine works without systemd and inside other containers. Its state and socket are in
# ALGOPERF_ENGINE_STATE (default /var/lib/algoperf-engine); members of the group `docker` may use it.
set -euo pipefail
state=${ALGOPERF_ENGINE_STATE:-/var/lib/algoperf-engine}
answers() { timeout 20 docker info >/dev/null 2>&1; }
point_to_it() { echo "export DOCKER_HOST=${DOCKER_HOST:-unix:///var/run/docker.sock}"; exit 0; }
say() { echo "engine: $*" >&2; }

answers && point_to_it
export DOCKER_HOST=unix://$state/docker.sock
answers && point_to_it
[ "$(id -u)" = 0 ] || { say "no Docker engine answers. Start one, or run: sudo $0"; exit 1; }

if ! command -v dockerd >/dev/null; then
  say "installing docker.io"
  # Without systemd, packages try to start services in other ways: prevent that.
  policy=/usr/sbin/policy-rc.d
  if [ ! -d /run/systemd/system ] && [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    trap 'rm -f $policy' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends docker.io containerd runc >/dev/null 2>&1
fi

mkdir -p "$state"
say "starting dockerd"
setsid nohup dockerd --iptables=false --ip6tables=false --bridge=none --log-level=warn \
  --data-root="$state/data" --exec-root="$state/exec" --pidfile="$state/dockerd.pid" --host="$DOCKER_HOST" \
  >"$state/dockerd.log" 2>&1 </dev/null &
for _ in $(seq 150); do
  answers && point_to_it
  sleep 0.2
done
say "dockerd did not come up; the end of $state/dockerd.log:"
tail -n 20 "$state/dockerd.log" >&2
exit 1
