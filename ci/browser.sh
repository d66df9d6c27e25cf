#!/usr/bin/env bash
# Checks that chromium exists for the tests of the report. As root on Debian or Ubuntu, installs it.
set -euo pipefail
command -v chromium >/dev/null && exit 0
say() { echo "browser: $*" >&2; }
[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { say "install chromium, then run this again"; exit 1; }
say "installing chromium"
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends chromium >/dev/null
