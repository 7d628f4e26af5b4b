#!/usr/bin/env bash
# Deploys an image to Cloud Run: deploy/cloud_run/deploy.sh ENVIRONMENT IMAGE
# ENVIRONMENT is staging or production. GOOGLE_CLOUD_PROJECT and GOOGLE_CLOUD_REGION say where.
set -euo pipefail

fail() {
  echo "$1" >&2
  exit 1
}

[[ $# -eq 2 ]] || fail "Usage: $0 ENVIRONMENT IMAGE"
[[ $1 == staging || $1 == production ]] || fail "ENVIRONMENT is staging or production, not $1."
[[ $2 == *@sha256:* || ${2##*/} == *:* ]] || fail "IMAGE needs a tag or a digest: what is not named cannot be rolled back to."
[[ $2 != *:latest ]] || fail "IMAGE must not be :latest: what it names changes."
command -v gcloud >/dev/null || fail "gcloud is needed: https://cloud.google.com/sdk/docs/install"
: "${GOOGLE_CLOUD_PROJECT:?is needed: the id of the project}"
: "${GOOGLE_CLOUD_REGION:?is needed: europe-west3 for one}"

# Longer ones Cloud Run does not take.
name="{{ project_slug[:28].rstrip('-') }}-$1"
account="{{ project_slug[:20].rstrip('-') }}-cloud-run@$GOOGLE_CLOUD_PROJECT.iam.gserviceaccount.com"
environment=$1
image=$2
folder=$(dirname "$0")
rendered=$(mktemp -d)
trap 'rm -rf "$rendered"' EXIT

# The kind of a resource as gcloud names it, and its file.
# {% if heartbeat %}
# For a worker pool also its process and command.
# {% endif %}
apply() {
  local file=$rendered/$2${3:+-$3}.yaml
  sed -e "s|\${NAME}|$name|g" -e "s|\${ENVIRONMENT}|$environment|g" -e "s|\${IMAGE}|$image|g" \
    -e "s|\${SERVICE_ACCOUNT}|$account|g" \
    # {% if database %}
    -e "s|\${DATABASE_INSTANCE}|$GOOGLE_CLOUD_PROJECT:$GOOGLE_CLOUD_REGION:$name|g" \
    # {% endif %}
    # {% if heartbeat %}
    -e "s|\${PROCESS}|${3-}|g" -e "s|\${COMMAND}|${4-}|g" \
    # {% endif %}
    "$folder/$2.yaml" >"$file"
  run "$1" replace "$file"
}

run() {
  gcloud run "$@" --project="$GOOGLE_CLOUD_PROJECT" --region="$GOOGLE_CLOUD_REGION" --quiet
}

# {% if database %}
# The old version goes on meanwhile, and afterwards if this fails.
apply jobs job
run jobs execute "$name-migrate" --wait

# {% endif %}
# {% if heartbeat %}
# Who understands what is sent comes before whoever sends it.
# {% endif %}
# {% if celery %}
apply worker-pools worker_pool worker '["celery", "-q", "-A", "app.worker", "worker", "--concurrency=2", "--without-gossip", "--without-mingle"]'
apply worker-pools worker_pool beat '["celery", "-q", "-A", "app.worker", "beat", "--pidfile="]'
# {% endif %}
# {% if events %}
apply worker-pools worker_pool consumer '["python", "-m", "app.cli", "events", "consume"]'
# {% endif %}
# Returns when the new revision has passed its startup probe; else the old one keeps its requests.
apply services service
