#!/usr/bin/env bash
# deploy.sh ENVIRONMENT IMAGE: brings an environment to an image that was pushed, with its tag or digest.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

[[ $# -eq 2 ]] || fail "usage: $0 ENVIRONMENT IMAGE"
prepare "$1"
target=$2
case ${target##*/} in
  *@sha256:*) ;;
  *:latest) fail "IMAGE must not be 'latest', which names another image tomorrow: $target" ;;
  *:?*) ;;
  *) fail "IMAGE must have a tag or a digest: $target" ;;
esac
command -v curl >/dev/null || fail "curl is needed."
outputs cluster Cluster >/dev/null

# A deployment that fails takes back what it has changed.
hint="Nothing was changed."
changed=""
finish() {
  local code=$?
  [[ $code -eq 0 ]] && return
  echo "$hint" >&2
  [[ -z $changed ]] || "$here/rollback.sh" "$environment" >&2 || echo "Look at what runs: it may be of both versions." >&2
  exit "$code"
}
trap finish EXIT

changed=1
hint="What starts management commands was not made."
process command "$target"
# {% if database %}
# Before anything runs the new version; the old one still runs, so a migration only adds.
hint="The migration failed, and what runs was not changed."
run_command alembic upgrade head
# {% endif %}
for name in "${processes[@]}"; do
  hint="$name did not come up with $target."
  process "$name" "$target"
done
hint="$target is deployed and does not answer."
smoke
