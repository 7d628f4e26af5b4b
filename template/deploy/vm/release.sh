#!/usr/bin/env bash
# On the server, as root; deploy.sh and rollback.sh call it.
#   release.sh deploy staging|production RELEASE    a folder in /opt/{{ project_slug }}/releases
#   release.sh rollback staging|production
#
# The new release starts beside the old one and listens to the same socket. Only when it is ready is
# the old one told to stop: nobody is refused, and nobody waits.
set -euo pipefail
umask 022

service={{ project_slug }}
home=/opt/$service
releases=$home/releases
settings=/etc/$service/environment
units=/etc/systemd/system
# To go back to; each is some 200 MB.
kept=5

fail() {
  echo "release.sh: $*" >&2
  exit 1
}

say() {
  echo "release.sh: $*"
}

current() {
  [[ ! -L $home/current ]] || basename "$(readlink "$home/current")"
}

# The oldest first: names begin with a time.
all() {
  find "$releases" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort
}

build() {
  local folder=$releases/$1
  [[ -f $folder/uv.lock ]] || fail "$folder has no uv.lock"
  say "installing what $1 needs"
  # The distribution's Python, which gets security updates with the system.
  UV_PYTHON_DOWNLOADS=never "$home/tools/bin/uv" sync --quiet --project "$folder" \
    --locked --no-dev --compile-bytecode --python /usr/bin/python3
  "$folder/.venv/bin/python" -m compileall -q "$folder/app"
}

install_units() {
  local folder=$releases/$1/deploy/vm/systemd file
  for file in "$folder"/*.{service,socket,target}; do
    install -m 0644 "$file" "$units/$service-${file##*/}"
  done
  install -D -m 0644 "$folder/hardening.conf" "$units/$service-.service.d/hardening.conf"
  # Whom a connection starts where no release runs.
  mkdir -p "$units/$service-web.socket.d"
  printf '[Socket]\nService=%s-web@%s.service\n' "$service" "$1" >"$units/$service-web.socket.d/release.conf"
  systemctl daemon-reload
}

# Units of features that this release no longer has.
remove_other_units() {
  local file
  for file in "$units/$service"-*.{service,socket,target}; do
    [[ -f $releases/$1/deploy/vm/systemd/${file##*/"$service"-} ]] || rm -f "$file"
  done
}

# Those which have no port to ask at.
background() {
  local file name
  for file in "$releases/$1"/deploy/vm/systemd/*@.service; do
    name=${file##*/}
    [[ $name =~ ^(web|migrate)@ ]] || echo "$service-${name/@/@$1}"
  done
}

# Half a minute: the process is up by now, and what it needs may be restarting.
until_ready() {
  local try answer
  for ((try = 0; try < 30; try++)); do
    if answer=$(curl --silent --show-error --fail-with-body --max-time 5 \
      --unix-socket "/run/$service/$1.sock" http://localhost/health/ready 2>&1); then
      return
    fi
    sleep 1
  done
  fail "$1 is not ready: $answer"
}

# Beside the release that runs, until all of it does its work.
start() {
  local unit
  say "starting $1"
  systemctl start "$service-web@$1.service"
  until_ready "$1"
  systemctl start "$service-release@$1.target"
  # What ends within seconds has not started.
  [[ -z $(background "$1") ]] || sleep 5
  for unit in $(background "$1"); do
    [[ $(systemctl is-active "$unit") == active && $(systemctl show --property NRestarts --value "$unit") == 0 ]] ||
      fail "$unit does not run"
  done
}

switch() {
  local former=$2
  ln --symbolic --force --no-dereference "releases/$1" "$home/current.new"
  mv --no-target-directory "$home/current.new" "$home/current"
  systemctl --quiet enable "$service-web.socket" "$service-release@$1.target"
  if [[ -n $former && $former != "$1" ]]; then
    systemctl --quiet disable "$service-release@$former.target"
    # Workers end what they have begun, which may take minutes; it is not waited for.
    systemctl --no-block stop "$service-release@$former.target"
    until [[ $(systemctl is-active "$service-web@$former.service") =~ ^(inactive|failed)$ ]]; do sleep 0.5; done
  fi
  remove_other_units "$1"
  say "$1 runs"
}

# At any failure: what ran goes on, and what was to take its place is stopped.
give_up() {
  trap - EXIT
  echo "release.sh: $1 failed; its last lines:" >&2
  journalctl --no-pager --output cat --lines 20 --unit "$service-*@$1.service" >&2 2>/dev/null || true
  systemctl stop "$service-web@$1.socket" "$service-*@$1.*" 2>/dev/null || true
  if [[ -n $former ]]; then
    install_units "$former"
    echo "release.sh: $former goes on" >&2
  else
    systemctl stop "$service-web.socket"
  fi
  [[ -z ${2:-} ]] || rm -rf "${releases:?}/$1"
}

prune() {
  local release
  for release in $(all | head --lines "-$kept"); do
    [[ $release == "$(current)" ]] || systemctl --quiet is-active "$service-*@$release.service" ||
      rm -rf "${releases:?}/$release"
  done
}

deploy() {
  release=$1
  [[ -d $releases/$release ]] || fail "there is no $releases/$release"
  trap 'give_up "$release" remove' EXIT
  build "$release"
  install_units "$release"
  # {% if database %}
  say "migrating the database"
  systemctl start "$service-migrate@$release.service"
  # {% endif %}
  start "$release"
  trap - EXIT
  switch "$release" "$former"
  prune
}

rollback() {
  release=$(all | awk -v current="$former" '$1 < current' | tail --lines 1)
  [[ -n $former && -n $release ]] || fail "there is no release before ${former:-the first one}"
  trap 'give_up "$release"' EXIT
  install_units "$release"
  start "$release"
  trap - EXIT
  switch "$release" "$former"
}

command=${1:-} environment=${2:-}
[[ $command =~ ^(deploy|rollback)$ && $environment =~ ^(staging|production)$ ]] ||
  fail "usage: release.sh deploy|rollback staging|production [RELEASE]"
[[ $EUID == 0 ]] || fail "only root may do this"
[[ -f $settings ]] || fail "$settings is missing: setup.sh makes it"
grep --quiet --line-regexp "ENVIRONMENT=$environment" "$settings" || fail "$settings is not that of $environment"
exec 9>"/run/lock/$service-release"
flock --nonblock 9 || fail "another release is being made"

former=$(current)
if [[ $command == deploy ]]; then
  deploy "${3:?RELEASE is missing}"
else
  rollback
fi
