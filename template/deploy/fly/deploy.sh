#!/usr/bin/env bash
# Deploys an image that Fly.io's registry has: deploy/fly/deploy.sh ENVIRONMENT IMAGE
# FLY_APP names the app; unset: {{ project_slug }}, and {{ project_slug }}-staging for staging.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [[ $# -ne 2 || ! $1 =~ ^(staging|production)$ ]]; then
  echo "usage: deploy/fly/deploy.sh staging|production IMAGE" >&2
  exit 2
fi
command -v flyctl >/dev/null || { echo "flyctl is needed: https://fly.io/docs/flyctl/install" >&2; exit 2; }

app={{ project_slug }}
[[ $1 == production ]] || app+=-staging
flyctl deploy --config fly.toml --app "${FLY_APP:-$app}" --image "$2" --env "ENVIRONMENT=$1"
