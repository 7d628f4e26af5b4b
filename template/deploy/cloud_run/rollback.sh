#!/usr/bin/env bash
# Goes back to the revision before the one in use: deploy/cloud_run/rollback.sh ENVIRONMENT
# The next deployment goes forward again. The schema stays as it is: the revision before can work with it.
set -euo pipefail

fail() {
  echo "$1" >&2
  exit 1
}

[[ $# -eq 1 ]] || fail "Usage: $0 ENVIRONMENT"
[[ $1 == staging || $1 == production ]] || fail "ENVIRONMENT is staging or production, not $1."
command -v gcloud >/dev/null || fail "gcloud is needed: https://cloud.google.com/sdk/docs/install"
: "${GOOGLE_CLOUD_PROJECT:?is needed: the id of the project}"
: "${GOOGLE_CLOUD_REGION:?is needed: europe-west3 for one}"

name="{{ project_slug[:28].rstrip('-') }}-$1"

run() {
  gcloud run "$@" --project="$GOOGLE_CLOUD_PROJECT" --region="$GOOGLE_CLOUD_REGION" --quiet
}

# Of revisions, newest first, each with whether it became ready: the next one that did, after the one in use.
before() {
  awk -v current="$1" '$1 == current { found = 1; next } found && $2 == "True" && !n++ { print $1 }'
}

columns='value(metadata.name, status.conditions[0].status)'
newest_first='~metadata.creationTimestamp'

current=$(run services describe "$name" --format='value(status.traffic[0].revisionName)')
previous=$(run revisions list --service="$name" --sort-by="$newest_first" --format="$columns" | before "$current")
[[ -n $previous ]] || fail "There is no revision before $current."
run services update-traffic "$name" --to-revisions="$previous=100"
# {% if heartbeat %}

back() {
  local pool=$name-$1 current previous
  current=$(run worker-pools describe "$pool" --format='value(status.instanceSplits[0].revisionName)')
  previous=$(run worker-pools revisions list --worker-pool="$pool" --sort-by="$newest_first" --format="$columns" | before "$current")
  [[ -n $previous ]] || fail "There is no revision before $current."
  run worker-pools update-instance-split "$pool" --to-revisions="$previous=100"
}

# {% endif %}
# {% if celery %}
back worker
back beat
# {% endif %}
# {% if events %}
back consumer
# {% endif %}
