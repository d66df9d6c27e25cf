#!/usr/bin/env bash
# Trains the baselines on the development workload that needs no download, and keeps the files that scoring reads.
# Run nothing else meanwhile, because it records times. Self-tuning takes minutes, external tuning five times as long.
# usage: record_baselines.sh ALGOPERF VERSION RULESET...
set -euo pipefail
algoperf=$1 version=$2
shift 2
kept='eval_measurements.csv hparams.json status.json'
work=build/baselines
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

for ruleset in "$@"; do
  target=scoring/baselines/$version/$ruleset/full
  for folder in submissions/baselines/*/; do
    name=$(basename "$folder")
    make --no-print-directory train SUBMISSION="$folder" FRAMEWORK="${name##*_}" WORKLOADS=digits RULESET=$ruleset \
      VERSION="$version" RUNS="$work/$ruleset"
  done
  rm -rf "$target"
  mkdir -p "$target"
  (cd "$work/$ruleset" && for file in $kept; do find . -path ./report -prune -o -name "$file" -print; done) |
    tar -C "$work/$ruleset" -cf - -T - | tar -C "$target" -xf -
  "$algoperf" check-runs "$target" --version "$version"
done
