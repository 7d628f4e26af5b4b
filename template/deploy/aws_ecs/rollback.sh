#!/usr/bin/env bash
# rollback.sh ENVIRONMENT: back to the image that ran before; after a deployment that broke off, to the
# one that web still runs. Done twice, it comes back again.
# {% if database %}
# The schema stays: the version before works with it, since a migration only adds.
# {% endif %}
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

[[ $# -eq 1 ]] || fail "usage: $0 ENVIRONMENT"
prepare "$1"
command -v curl >/dev/null || fail "curl is needed."

declare -A images
for name in command "${processes[@]}"; do
  look "$name"
  images[$name]=$image
done
# The last one that was looked at is web.
[[ -n $image ]] || fail "Nothing is deployed in $environment."
target=$image
for name in "${!images[@]}"; do
  [[ ${images[$name]} == "$image" ]] || unfinished=1
done
if [[ -z ${unfinished:-} ]]; then
  [[ -n $previous ]] || fail "Nothing ran in $environment before $image."
  target=$previous
fi

echo "Back to $target"
# Who sends something goes before whoever understands it.
reversed=()
for name in "${processes[@]}"; do
  reversed=("$name" "${reversed[@]}")
done
for name in "${reversed[@]}" command; do
  process "$name" "$target"
done
smoke || fail "$target does not answer."
