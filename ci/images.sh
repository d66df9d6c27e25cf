#!/usr/bin/env bash
# ci/images.sh base | <workload>... : builds the base image, or cubes on top of it; skips existing images.
# Images are called algoperf-base:ACCELERATOR and algoperf-<workload>:ACCELERATOR.
#
# ACCELERATOR  cpu (default), cu126 or cu130
# BASE         what the base image starts from: an image, or `rootfs` to make one from Debian packages (default: the
#              public Python image, or `rootfs` if that is not reachable)
# The base image also has a tag with a hash of everything it is made from, to detect changes. Folders of wheels from
# pip's configuration are passed in.
set -euo pipefail
cd "$(dirname "$0")/.."
accelerator=${ACCELERATOR:-cpu}
public=python:3.11-slim-bookworm
say() { echo "images: $*" >&2; }
exists() { docker image inspect "$1" >/dev/null 2>&1; }

# A docker command that can use BuildKit: any with the plug-in buildx, and versions before 23 without it.
builder() {
  local client
  for client in docker /usr/bin/docker; do
    if "$client" buildx version >/dev/null 2>&1 || "$client" --version 2>/dev/null | grep -qE 'version (19|20|22)\.'; then
      echo "$client"
      return
    fi
  done
  say "this docker cannot build: install its plug-in buildx (Debian: docker.io; elsewhere: docker-buildx-plugin)"
  return 1
}

build() { DOCKER_BUILDKIT=1 "$client" build --quiet --network=host "$@" >/dev/null; }

# Link or copy the wheels from pip's configuration into the folder $1.
hand_in_wheels() {
  local folder
  for folder in ${PIP_FIND_LINKS-$(python3 -m pip config get global.find-links 2>/dev/null || true)}; do
    [ -d "$folder" ] || continue
    mkdir -p "$1"
    cp --link "$folder"/*.whl "$1" 2>/dev/null || cp "$folder"/*.whl "$1" 2>/dev/null || true
  done
}

build_base() {
  local start=${BASE:-} inputs=(common/Dockerfile ci/install.py pyproject.toml constraints.txt) tag
  if [ -z "$start" ]; then
    if exists $public || timeout 60 docker pull --quiet $public >/dev/null 2>&1; then start=$public; else start=rootfs; fi
  fi
  if [ "$start" = rootfs ]; then
    start=algoperf-rootfs:$(sha256sum <ci/rootfs.sh | cut -c1-12)
    exists "$start" || { say "making $start"; ci/rootfs.sh "$start"; }
  fi
  tag=algoperf-base:$accelerator-$({ echo "$start"; cat "${inputs[@]}"; } | sha256sum | cut -c1-12)
  if ! exists "$tag"; then
    say "building $tag on $start"
    context=$(mktemp -d)
    trap 'rm -rf "$context"' EXIT
    cp --parents "${inputs[@]}" "$context"
    hand_in_wheels "$context/wheels"
    build --file common/Dockerfile --build-arg BASE="$start" --build-arg ACCELERATOR="$accelerator" \
      --build-arg PIP_INDEX_URL --build-arg PIP_EXTRA_INDEX_URL --tag "$tag" "$context"
  fi
  docker tag "$tag" "algoperf-base:$accelerator"
}

[ $# -gt 0 ] || { sed -n '2s/^# //p' "$0" >&2; exit 2; }
for name in "$@"; do
  [ "$name" = base ] || [ -f "cubes/$name/Dockerfile" ] || {
    say "unknown workload '$name'. Allowed: base $(cd cubes && echo */ | tr -d /)"
    exit 2
  }
done
docker info >/dev/null 2>&1 || { say 'no Docker engine answers. Bring one up: ci/engine.sh, and do what it prints'; exit 1; }
client=$(builder)
build_base
for name in "$@"; do
  if [ "$name" != base ]; then
    build --file "cubes/$name/Dockerfile" --build-arg BASE="algoperf-base:$accelerator" \
      --tag "algoperf-$name:$accelerator" .
  fi
  echo "algoperf-$name:$accelerator"
done
