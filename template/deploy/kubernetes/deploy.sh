#!/usr/bin/env bash
# Brings an image to the cluster of kubectl's current context, or of HELM_KUBECONTEXT:
#   deploy/kubernetes/deploy.sh ENVIRONMENT IMAGE
# Ends with 0 when the new version answers. Where it does not, the former one is brought back.
set -euo pipefail

usage() {
  echo "usage: $0 staging|production IMAGE, such as registry.example.com/{{ project_slug }}:1a2b3c4" >&2
  exit 2
}

(($# == 2)) || usage
environment=$1 image=$2
[[ $environment == staging || $environment == production ]] || usage
command -v helm >/dev/null || { echo "helm is missing: https://helm.sh/docs/intro/install" >&2; exit 1; }

cd "$(dirname "$0")/../.."
release="{{ project_slug }}"
namespace=${NAMESPACE:-$release-$environment}
chart=deploy/kubernetes/chart
values=$chart/values-$environment.yaml

if grep -n 'example\.com' "$values" >&2; then
  echo "$values: put your own names in place of these first" >&2
  exit 1
fi

options=(
  --install
  --namespace "$namespace"
  --values "$values"
  --set-string "image=$image"
  --wait
  # A new pod is ready within two minutes, and they come one by one.
  --timeout 10m
)
# Its name in Helm 4, and in Helm 3. Captured first: grep would end before helm has said all.
help=$(helm upgrade --help)
if [[ $help == *--rollback-on-failure* ]]; then
  options+=(--rollback-on-failure)
else
  options+=(--atomic)
fi
# {% if monitoring %}
for file in monitoring/*/alerts.yml; do
  options+=(--set-file "alerts.rules.$(basename "$(dirname "$file")")=$file")
done
# {% endif %}

helm upgrade "$release" "$chart" "${options[@]}"
