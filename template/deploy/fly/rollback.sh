#!/usr/bin/env bash
# Deploys the image of the release before: deploy/fly/rollback.sh ENVIRONMENT
# FLY_APP names the app; unset: {{ project_slug }}, and {{ project_slug }}-staging for staging.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ $# -ne 1 || ! $1 =~ ^(staging|production)$ ]]; then
  echo "usage: deploy/fly/rollback.sh staging|production" >&2
  exit 2
fi
for tool in flyctl jq; do
  command -v "$tool" >/dev/null || { echo "$tool is needed: install it" >&2; exit 2; }
done

app={{ project_slug }}
[[ $1 == production ]] || app+=-staging
app=${FLY_APP:-$app}
# Newest first; a release that only changed secrets has the image of the one before it.
image=$(flyctl releases --app "$app" --image --json |
  jq --raw-output '[.[] | select(.Status == "complete").ImageRef] | map(select(. != null)) as $images
    | [$images[] | select(. != $images[0])][0] // empty')
[[ -n $image ]] || { echo "There is no release before the one that runs." >&2; exit 1; }
# {% if database %}
# Its release command knows nothing of newer migrations, and would refuse; the schema stays.
# {% endif %}
flyctl deploy --config fly.toml --app "$app" --image "$image" --env "ENVIRONMENT=$1" --skip-release-command
