#!/usr/bin/env bash
# ci/rootfs.sh IMAGE : makes IMAGE, a Debian 12 with Python 3.11 and little else, from Debian packages, for
# machines without access to an image registry. Needs root and apt. It does not run maintainer scripts (which take
# most of the time of an ordinary debootstrap), but does the few necessary things from them at the end.
set -euo pipefail
image=$1
command -v mmdebstrap >/dev/null || {
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >/dev/null 2>&1
}
# shellcheck disable=SC2016  # $1 is expanded by the hook: the root of the new system
finish='
  set -e
  cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
  cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
  printf "passwd: files\ngroup: files\nhosts: files dns\n" >"$1/etc/nsswitch.conf"
  mkdir -p "$1/etc/ssl/certs"
  cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
  rm -rf "$1"/usr/share/doc/* "$1"/usr/share/locale/* "$1"/usr/share/man/*
  chroot "$1" ldconfig
  chroot "$1" python3 -c "import ctypes, ensurepip, sqlite3, ssl, venv"'
mmdebstrap --quiet --variant=extract \
  --include=base-files,base-passwd,bash,coreutils,dash,findutils,grep,gzip,libc-bin,libstdc++6,netbase \
  --include=python3-venv,sed,tar --extract-hook="$finish" bookworm - |
  docker import --change 'CMD ["python3"]' - "$image" >/dev/null
