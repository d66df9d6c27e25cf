#!/usr/bin/env bash
# A real Slurm on one machine, for tests: four make-believe nodes with eight make-believe GPUs each, with accounting.
#
#     eval "$(ci/slurm.sh up)"   # as root, on Debian or Ubuntu; prints the line that points to it
#     ci/slurm.sh down           # cancels all jobs, and stops all of it
#     ci/slurm.sh kill n3        # kills one node's daemon;  ci/slurm.sh revive n3 starts it again
#
# Needs neither systemd nor cgroups. All nodes are this machine, told apart by name and port; a GPU is a device file
# that behaves like /dev/null. State is in ALGOPERF_SLURM_STATE (default /var/lib/algoperf-slurm).
set -euo pipefail
state=${ALGOPERF_SLURM_STATE:-/var/lib/algoperf-slurm}
nodes=${NODES:-4}
gpus=${GPUS:-8}
cores=${CPUS:-$(nproc)} # of each node, as Slurm counts them: they need not be there
export SLURM_CONF=$state/slurm.conf
say() { echo "slurm: $*" >&2; }
# Not killed and only waiting to be buried, either.
runs() { [ -f "$1" ] && grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$(cat "$1")/status" 2>/dev/null; }
until_true() {
  for _ in $(seq 150); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  say "this does not come true: $*. The logs are in $state/log"
  tail -n 5 "$state"/log/* >&2
  return 1
}

install_packages() {
  command -v slurmctld >/dev/null && command -v slurmdbd >/dev/null && command -v mariadbd >/dev/null && return
  say 'installing slurm-wlm, slurmdbd, munge and mariadb-server'
  local policy=/usr/sbin/policy-rc.d
  # Without systemd, packages try to start services in other ways: prevent that.
  if [ ! -d /run/systemd/system ] && [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends slurm-wlm slurmdbd munge mariadb-server >/dev/null 2>&1
}

write_configuration() {
  local host megabytes
  host=$(hostname -s) megabytes=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
  cat >"$SLURM_CONF" <<CONF
ClusterName=algoperf
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=17817
AuthType=auth/munge
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$state/controller
SlurmdSpoolDir=$state/spool/%n
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd-%n.pid
SlurmctldLogFile=$state/log/slurmctld.log
SlurmdLogFile=$state/log/slurmd-%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
# Quick decisions, and nodes that are soon missed.
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=2
SlurmdTimeout=10
KillWait=10
OverTimeLimit=0
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=17819
JobAcctGatherType=jobacct_gather/linux
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
CONF
  for number in $(seq "$nodes"); do
    echo "NodeName=n$number NodeHostName=$host NodeAddr=127.0.0.1 Port=$((17820 + number)) CPUs=$cores" \
      "RealMemory=$megabytes Gres=gpu:v100:$gpus" >>"$SLURM_CONF"
    mkdir -p "$state/spool/n$number"
  done
  echo "Name=gpu Type=v100 File=$state/gpu[0-$((gpus - 1))]" >"$state/gres.conf"
  for number in $(seq 0 $((gpus - 1))); do
    [ -e "$state/gpu$number" ] || mknod "$state/gpu$number" c 1 3
  done
  cat >"$state/slurmdbd.conf" <<CONF
AuthType=auth/munge
DbdHost=localhost
DbdPort=17819
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageLoc=slurm_acct_db
StorageUser=slurm
StoragePass=slurm
LogFile=$state/log/slurmdbd.log
PidFile=$state/slurmdbd.pid
CONF
  chmod 600 "$state/slurmdbd.conf"
}

start_database() {
  local socket=$state/mysql-run/socket
  runs "$state/mysql-run/pid" && return
  install -d -o mysql -m 755 "$state/mysql" "$state/mysql-run"
  [ -d "$state/mysql/mysql" ] || mariadb-install-db --user=mysql --datadir="$state/mysql" --skip-test-db \
    --auth-root-authentication-method=socket >"$state/log/mysql-install.log" 2>&1
  setsid nohup mariadbd --no-defaults --user=mysql --datadir="$state/mysql" --socket="$socket" --skip-networking \
    --pid-file="$state/mysql-run/pid" --innodb-lock-wait-timeout=900 >"$state/log/mysql.log" 2>&1 </dev/null &
  until_true mariadb-admin --socket="$socket" ping
  mariadb --socket="$socket" -e "create database if not exists slurm_acct_db;
    create user if not exists slurm@localhost identified by 'slurm'; grant all on slurm_acct_db.* to slurm@localhost;"
}

start_munge() {
  [ -S /run/munge/munge.socket.2 ] && pgrep -x munged >/dev/null && return
  install -d -o munge -g munge -m 755 /run/munge
  install -d -o munge -g munge -m 700 /var/log/munge /var/lib/munge
  runuser -u munge -- /usr/sbin/munged --pid-file=/run/munge/algoperf.pid
}

up() {
  if runs "$state/slurmctld.pid"; then return; fi
  [ "$(id -u)" = 0 ] || { say "this needs root: sudo $0 up"; exit 1; }
  install_packages
  mkdir -p "$state"/{controller,spool,log}
  write_configuration
  start_munge
  start_database
  runs "$state/slurmdbd.pid" || MYSQL_UNIX_PORT=$state/mysql-run/socket slurmdbd
  until_true sacctmgr --noheader --immediate list cluster
  slurmctld
  for number in $(seq "$nodes"); do slurmd -N "n$number"; done
  # Jobs of a Slurm that was killed would go on in this one, and take its nodes.
  until_true cancel_all
  until_true all_idle
}
cancel_all() { scancel --quiet --partition=main && no_jobs; }
no_jobs() { [ -z "$(squeue --noheader)" ]; }
all_idle() { [ "$(sinfo --noheader --Node --format=%t | grep -c idle)" = "$nodes" ]; }

down() {
  if runs "$state/slurmctld.pid"; then until_true cancel_all || true; fi
  scontrol shutdown 2>/dev/null || true
  for file in "$state"/slurmd-*.pid "$state"/slurmctld.pid "$state"/slurmdbd.pid "$state"/mysql-run/pid \
    /run/munge/algoperf.pid; do
    if runs "$file"; then kill "$(cat "$file")" || true; fi
  done
}

case ${1:-} in
  up) up; echo "export SLURM_CONF=$SLURM_CONF" ;;
  down) down ;;
  kill) kill -9 "$(cat "$state/slurmd-$2.pid")" ;;
  revive) slurmd -N "$2" ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
