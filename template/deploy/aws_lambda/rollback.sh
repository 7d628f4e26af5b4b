#!/usr/bin/env bash
# deploy/aws_lambda/rollback.sh ENVIRONMENT: puts the version before the present one into service.
#
# While a new one is tried out, that is ended instead.
set -euo pipefail

environment=${1:-}
[[ $environment == staging || $environment == production ]] || {
  echo "usage: $0 staging|production" >&2
  exit 2
}
command -v aws >/dev/null || {
  echo "aws is missing: docs/deploy/aws_lambda.md says what is needed" >&2
  exit 1
}

service={{ project_slug }}-$environment-service
read -r live trying < <(aws lambda get-alias --function-name "$service" --name live \
  --query '[FunctionVersion, RoutingConfig.AdditionalVersionWeights && "a new one"]' --output text)

target=$live
if [[ $trying == None ]]; then
  target=$(aws lambda list-versions-by-function --function-name "$service" \
    --query 'Versions[].Version' --output text | tr '\t' '\n' | grep -v LATEST | sort -n |
    awk -v live="$live" '$1 + 0 < live + 0' | tail -n 1)
fi
[[ -n $target ]] || {
  echo "There is no version before $live" >&2
  exit 1
}
aws lambda update-alias --function-name "$service" --name live --function-version "$target" \
  --routing-config 'AdditionalVersionWeights={}' --output text >/dev/null
echo "Version $target answers"
