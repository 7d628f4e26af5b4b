#!/usr/bin/env bash
# setup.sh ENVIRONMENT: makes, or changes, what deployments stand on. For a person who may do so; CI
# need not.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

[[ $# -eq 1 ]] || fail "usage: $0 ENVIRONMENT"
prepare "$1"

aws cloudformation deploy --stack-name "$service-registry" --template-file "$here/registry.yaml" \
  --parameter-overrides "Service=$service" --tags "Service=$service" --no-fail-on-empty-changeset
stack network network.yaml
# {% if database or redis %}
stack data data.yaml
# {% endif %}
stack cluster cluster.yaml

echo "Images go to $(aws cloudformation describe-stacks --stack-name "$service-registry" \
  --query "Stacks[0].Outputs[?OutputKey=='RepositoryUri'].OutputValue | [0]" --output text)"
echo "$(sed -n 's/^DomainName=//p' "$settings") has to lead to $(outputs cluster LoadBalancerAddress)"
