#!/usr/bin/env bash
# Go back to the release before: deploy/vm/rollback.sh staging|production [HOST...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  echo "rollback.sh: $*" >&2
  exit 1
}

environment=${1:-}
[[ $environment =~ ^(staging|production)$ ]] || fail "usage: rollback.sh staging|production [HOST...]"
shift
command -v ssh >/dev/null || fail "ssh is missing"
hosts=${*:-$(awk -v name="$environment" '$1 == name { print $2 }' deploy/vm/hosts)}
[[ -n $hosts ]] || fail "deploy/vm/hosts names no host of $environment"

for host in $hosts; do
  echo "rollback.sh: $host"
  # shellcheck disable=SC2029 # the name is known here, not there
  ssh "$host" "sudo /opt/{{ project_slug }}/current/deploy/vm/release.sh rollback '$environment'"
done
