#!/usr/bin/env bash
# Puts another image in the place of the one that serves, and refuses no request meanwhile:
#   deploy/compose/rollout.sh registry.example.com/{{ project_slug }}:1.1.0
# {% if database %}
# With --back it leaves the database as it is, which the version before can do with:
#   deploy/compose/rollout.sh --back registry.example.com/{{ project_slug }}:1.0.0
# {% endif %}
# COMPOSE_FILE names the files, as docker compose reads it: compose.production.yaml:compose.{{ 'nginx' if nginx else 'caddy' }}.yaml
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
    echo "rollout.sh: $*" >&2
    exit 1
}

# {% if database %}
migrates=true
if [[ ${1:-} == --back ]]; then
    migrates=false
    shift
fi
# {% endif %}
[[ $# -eq 1 ]] || fail "which image? For example: deploy/compose/rollout.sh registry.example.com/{{ project_slug }}:1.1.0"
[[ -n ${COMPOSE_FILE:-} ]] || fail "set COMPOSE_FILE, for example to compose.production.yaml:compose.{{ 'nginx' if nginx else 'caddy' }}.yaml"
command -v docker >/dev/null || fail "docker is missing"
export IMAGE=$1 COMPOSE_FILE

docker image inspect "$IMAGE" >/dev/null 2>&1 || docker pull "$IMAGE"

mapfile -t before < <(docker compose ps --quiet app)
count=$(wc --words <<<"${before[*]}")
[[ $count -gt 0 ]] || fail "nothing serves yet: docker compose up --detach --wait"
# {% if database %}

# What this version adds to the schema, the one that serves can do with.
if [[ $migrates == true ]]; then
    docker compose run --rm --no-deps migrate
fi
# {% endif %}

# As many beside those that serve, which stay as they are until the new ones do.
docker compose up --detach --wait --no-deps --no-recreate --scale "app=$((2 * count))" app ||
    {
        mapfile -t all < <(docker compose ps --all --quiet app)
        for container in "${all[@]}"; do
            [[ " ${before[*]} " == *" $container "* ]] || docker rm --force "$container"
        done
        fail "$IMAGE does not become healthy: what served before still does"
    }

# Told to stop, they answer what is under way; what comes then goes to the new ones.
for container in "${before[@]}"; do
    docker stop --time 30 "$container"
    docker rm "$container"
done
# {% if celery or events %}

# What works in the background is replaced: what is not done yet waits meanwhile.
docker compose up --detach --wait --no-deps {{ ((['worker', 'beat'] if celery else []) + (['consumer'] if events else [])) | join(' ') }}
# {% endif %}
