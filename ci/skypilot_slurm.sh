#!/usr/bin/env bash
# A campaign through SkyPilot for real, without a cloud: SkyPilot launches its managed jobs on a Slurm on this machine,
# one of which is lost on the way. As root, on Debian or Ubuntu. Not part of the routine CI: ten minutes or more.
#
#     ci/skypilot_slurm.sh        # everything: a Slurm, an SSH server for it, a user, SkyPilot, a campaign, and down again
#     KEEP=1 ci/skypilot_slurm.sh # the Slurm, the SSH server and SkyPilot stay up, to look at them
#
# SkyPilot reaches a Slurm through SSH, and changes files of the user it comes as: here that is `algoperf-sky`, whose
# home folder holds all that is made. Nodes of the Slurm share folders, which take the place of the bucket.
set -euo pipefail
cd "$(dirname "$0")/.."
user=algoperf-sky
home=/var/lib/$user
port=2229
say() { echo "skypilot on slurm: $*" >&2; }

# --- as root ---------------------------------------------------------------------------------------------------------

install_packages() {
  # Without systemd, packages try to start services in other ways: prevent that.
  local policy=/usr/sbin/policy-rc.d
  [ -d /run/systemd/system ] || [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod +x $policy; made=$policy; }
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    openssh-server openssh-client rsync python3-venv >/dev/null
  rm -f ${made:+"$made"}
}

make_user() {
  id $user >/dev/null 2>&1 || useradd --create-home --home-dir $home --shell /bin/bash $user
  usermod --password '*' $user # no password, yet not locked: sshd refuses users that are
  install -d -o $user -m 700 $home/.ssh
  [ -f $home/.ssh/id_ed25519 ] || runuser -u $user -- ssh-keygen -q -t ed25519 -N '' -f $home/.ssh/id_ed25519
  install -o $user -m 600 $home/.ssh/id_ed25519.pub $home/.ssh/authorized_keys
}

start_sshd() {
  install -d /run/sshd $home/sshd
  [ -f $home/sshd/key ] || ssh-keygen -q -t ed25519 -N '' -f $home/sshd/key
  cat >$home/sshd/config <<CONF
Port $port
ListenAddress 127.0.0.1
HostKey $home/sshd/key
PidFile $home/sshd/pid
UsePAM no
PasswordAuthentication no
AllowUsers $user
MaxStartups 100
MaxSessions 100
Subsystem sftp /usr/lib/openssh/sftp-server
SetEnv SLURM_CONF=$SLURM_CONF ${SSL_CERT_FILE:+SSL_CERT_FILE=$SSL_CERT_FILE}
CONF
  # An absolute path: sshd calls itself again from the root folder.
  [ -f $home/sshd/pid ] && kill -0 "$(cat $home/sshd/pid)" 2>/dev/null ||
    /usr/sbin/sshd -f $home/sshd/config -E $home/sshd/log
  # SkyPilot looks up the names of nodes.
  for node in $(sinfo --noheader --Node --format=%N | sort -u); do
    getent hosts "$node" >/dev/null || echo "127.0.0.1 $node" >>/etc/hosts
  done
}

as_user() {
  local kept=(SLURM_CONF="$SLURM_CONF")
  for name in ${!PIP_*} ${!SSL_*} REQUESTS_CA_BUNDLE; do [ -z "${!name:-}" ] || kept+=("$name=${!name}"); done
  (cd $home && runuser -u $user -- env -i HOME=$home USER=$user LANG=C.UTF-8 PATH="$home/.local/bin:/usr/bin:/bin" \
    OMP_NUM_THREADS=1 "${kept[@]}" bash clone/ci/skypilot_slurm.sh "$@")
}

finish() {
  local status=$?
  [ -n "${KEEP:-}" ] && exit $status
  as_user stop || true
  kill "$(cat $home/sshd/pid)" 2>/dev/null || true
  ci/slurm.sh down
  exit $status
}

everything() {
  [ "$(id -u)" = 0 ] || { say "this needs root: sudo $0"; exit 1; }
  install_packages
  make_user
  settings=$(CPUS=8 ci/slurm.sh up) # by itself: in `eval "$(...)"`, its failure would go unnoticed
  eval "$settings"
  trap finish EXIT
  start_sshd
  install -d -o $user $home/clone
  # Without a repository there, SkyPilot would send what git ignores, too.
  runuser -u $user -- git init --quiet $home/clone
  git ls-files --cached --others --exclude-standard | rsync --archive --files-from=- --chown=$user --chmod=D755,Fgo+r . $home/clone
  as_user install
  as_user settings
  as_user campaign
}

# --- as the user -----------------------------------------------------------------------------------------------------

install_python() {
  say 'the environments of the benchmark and of SkyPilot'
  [ -x clone/.venv/bin/algoperf ] || python3 clone/ci/install.py clone/.venv
  [ -x sky/bin/sky ] || python3 clone/ci/install.py sky --packages clone/ci/skypilot.txt
}

# SkyPilot installs uv by a script from the network, and a Python 3.10 by uv, and looks after its jobs only while it
# reaches one of two addresses in the internet. Where they cannot be had, programs of the same names give it the uv that
# is here, and this machine's Python, and a server of this machine stands for the internet.
stand_in() {
  mkdir -p .local/bin
  if curl --silent --fail --max-time 10 https://astral.sh/uv/install.sh >/dev/null; then return; fi
  cat >.local/bin/curl <<SH
#!/bin/sh
case "\$*" in
*astral.sh/uv*) echo 'mkdir -p "\$UV_INSTALL_DIR"; cp $HOME/.local/bin/uv "\$UV_INSTALL_DIR/uv"' ;;
*) exec /usr/bin/curl "\$@" ;;
esac
SH
  cat >.local/bin/uv <<SH
#!/bin/bash
exec $HOME/sky/bin/uv "\${@/#3.10/3.11}"
SH
  chmod +x .local/bin/curl .local/bin/uv
  sed -i "s#^_TEST_IP_LIST = .*#_TEST_IP_LIST = ['http://127.0.0.1:$((port + 1))']#" \
    sky/lib/python3*/site-packages/sky/backends/backend_utils.py
  mkdir -p empty
  setsid nohup python3 -m http.server --bind 127.0.0.1 --directory empty $((port + 1)) >http.log 2>&1 </dev/null &
  echo $! >http.pid
}

write_settings() {
  stand_in
  mkdir -p .slurm .sky/catalogs/v8/{common,slurm}
  cat >.slurm/config <<CONF
Host algoperf
  HostName 127.0.0.1
  Port $port
  User $USER
  IdentityFile $HOME/.ssh/id_ed25519
  IdentitiesOnly yes
CONF
  # SkyPilot cannot put the controller of managed jobs on a Slurm: its server is the controller.
  printf 'jobs:\n  controller:\n    consolidation_mode: true\n' >.sky/config.yaml
  # Its catalogue comes from the network; files that are there are used as they are.
  echo 'AcceleratorName,Clouds' >.sky/catalogs/v8/common/accelerators.csv
  printf 'Accelerator,MemoryGB,Manufacturer\nV100,16,NVIDIA\n' >.sky/catalogs/v8/common/metadata.csv
  printf 'Region,Zone,PricePerVCPU,PricePerMemoryGB,AcceleratorName,PricePerAccelerator\n,,0,0,,0\n' \
    >.sky/catalogs/v8/slurm/pricing.csv
  sky check slurm
}

# Two runs of a submission that takes its time; the machine of the first one is lost once it has been evaluated.
carry_out() {
  cd clone
  export PATH=$PWD/.venv/bin:$PATH
  rm -rf campaign submissions/slow "$HOME/shared"
  mkdir -p "$HOME/shared/data"
  cp -r submissions/template submissions/slow
  cat >>submissions/slow/submission.py <<'PYTHON'


def update_params(step=update_params, **arguments):
    import time

    time.sleep(0.2)
    return step(**arguments)
PYTHON
  cat >"$HOME/site.toml" <<TOML
[skypilot]
bucket = "$HOME/shared"
clouds = ["slurm"]
cpus = "2"
memory = "4"
spot = false
at_once = 2
setup = ["ln -sfn $PWD/.venv .venv"]
push = "rsync --archive {folder}/ {bucket}/campaign"
pull = "rsync --archive {bucket}/campaign/ {folder}"
poll_sec = 5
TOML
  algoperf campaign plan --submissions submissions/slow --workloads digits --studies 2 --eval-every-steps 20 \
    --max-global-steps 100 --output campaign
  algoperf campaign stage campaign
  rsync --archive data/ "$HOME/shared/data"
  lose_a_machine &
  local loser=$!
  # shellcheck disable=SC2064 - the number is known now
  trap "kill $loser 2>/dev/null || true" EXIT # if the campaign ends before there is anything to lose
  algoperf campaign run campaign --engine skypilot --site "$HOME/site.toml"
  wait $loser
  algoperf campaign status --once campaign
  judge
}

first=slow/study_1/digits_pytorch
lose_a_machine() {
  local evaluations=$HOME/shared/campaign/runs/$first/trial_1/eval_measurements.csv job
  until [ -f "$evaluations" ] && [ "$(wc -l <"$evaluations")" -gt 2 ]; do sleep 0.5; done
  job=$(squeue --noheader --format='%i %j' | awk '/algoperf-.*-0-/ {print $1; exit}')
  say "the machine of the first run is lost now: Slurm's job $job"
  scancel --signal=KILL --full "$job"
  scancel "$job"
}

judge() {
  python - <<PYTHON
import json, pathlib
job = pathlib.Path("campaign/jobs/$first/trial_1")
attempts = [json.loads((job / f"attempt_{n}.json").read_text()) for n in (1, 2)]
print(*attempts, sep="\n")
assert attempts[1]["step"] >= 20, "it did not go on from its checkpoint"
assert (job / "DONE").is_file()
PYTHON
  say 'the lost run went on from its checkpoint, and all have ended'
}

case ${1:-everything} in
  everything) everything ;;
  *)
    cd "$HOME"
    export PATH=$HOME/sky/bin:$PATH SKYPILOT_DISABLE_USAGE_COLLECTION=1
    case $1 in
      install) install_python ;;
      settings) write_settings ;;
      campaign) carry_out ;;
      stop)
        sky api stop
        [ ! -f http.pid ] || kill "$(cat http.pid)"
        ;;
      *) "$@" ;;
    esac
    ;;
esac
