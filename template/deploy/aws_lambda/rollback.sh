#!/usr/bin/env bash
# deploy/aws_lambda/rollback.sh ENVIRONMENT: puts the version back into service that answered before.
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
read -r live tried < <(aws lambda get-alias --function-name "$service" --name live --output text \
  --query '[FunctionVersion, (RoutingConfig.AdditionalVersionWeights.* | [0])]')

target=$live
if [[ $tried == None ]]; then
  # Not the number below: that one may have failed, or never been ready.
  target=$(aws lambda get-alias --function-name "$service" --name former \
    --query FunctionVersion --output text) || target=$live
  [[ $target != "$live" ]] || {
    echo "There is no version before $live" >&2
    exit 1
  }
fi
aws lambda update-alias --function-name "$service" --name live --function-version "$target" \
  --routing-config 'AdditionalVersionWeights={}' --output text >/dev/null
echo "Version $target answers"
