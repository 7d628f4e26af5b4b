#!/usr/bin/env bash
# Goes back to the version before, or to another revision of `helm history`:
#   deploy/kubernetes/rollback.sh ENVIRONMENT [REVISION]
# {% if database %}
# The schema of the database stays as it is.
# {% endif %}
set -euo pipefail

usage() {
  echo "usage: $0 staging|production [REVISION]" >&2
  exit 2
}

(($# == 1 || $# == 2)) || usage
environment=$1 revision=${2:-}
[[ $environment == staging || $environment == production ]] || usage
for tool in helm jq; do
  command -v "$tool" >/dev/null || { echo "$tool is missing: install it first" >&2; exit 1; }
done

release="{{ project_slug }}"
namespace=${NAMESPACE:-$release-$environment}

if [[ -z $revision ]]; then
  # Helm's own choice is the revision before, which may be a deployment that failed, or one that was
  # already gone back from. This is the newest that ran before what runs now did.
  history=$(helm history "$release" --namespace "$namespace" --output json)
  revision=$(jq -r '
    def origin($ran):
      (first(.description | capture("^Rollback to (?<number>[0-9]+)$").number | tonumber) // null) as $number
      | if $number == null then .revision
        else first($ran[] | select(.revision == $number) | origin($ran)) // $number end;
    map(select(.status | IN("deployed", "superseded"))) as $ran
    | max_by(.revision)
    | (if .status == "deployed" then origin($ran) else .revision end) as $before
    | $ran | map(.revision | select(. < $before)) | max // empty' <<<"$history")
  [[ -n $revision ]] || { echo "There is no version before the one that runs." >&2; exit 1; }
fi

helm rollback "$release" "$revision" --namespace "$namespace" --wait --timeout 10m
echo "$release is back at revision $revision"
