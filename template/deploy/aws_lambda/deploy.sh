#!/usr/bin/env bash
# deploy/aws_lambda/deploy.sh ENVIRONMENT [NAME=VALUE ...]: puts this version into service.
#
# The names are parameters of template.yaml; those that are not given keep their values.
# RELEASE: what it is called, the commit unless told otherwise.
# CANARY_SECONDS: how long a tenth of the requests goes to the new version before all do.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
  echo "usage: $0 staging|production [NAME=VALUE ...]" >&2
  exit 2
}

environment=${1:-}
[[ $environment == staging || $environment == production ]] || usage
shift
canary_seconds=${CANARY_SECONDS:-300}
[[ $canary_seconds =~ ^(0|[1-9][0-9]*)$ ]] || {
  echo "CANARY_SECONDS is a number of seconds, not $canary_seconds" >&2
  exit 2
}
release=${RELEASE:-$(git rev-parse HEAD)}
for tool in aws sam uv; do
  command -v "$tool" >/dev/null || {
    echo "$tool is missing: docs/deploy/aws_lambda.md says what is needed" >&2
    exit 1
  }
done

stack={{ project_slug }}-$environment
service=$stack-service
scratch=$(mktemp -d)
answer=$scratch/answer.json
is_tried=no

# However this ends, no version is left with a part of the requests.
finish() {
  rm -rf "$scratch"
  if [[ $is_tried == yes ]]; then
    route "$live" && echo "All requests go to version $live, as before" >&2
  fi
}
trap finish EXIT

# invoke FUNCTION PAYLOAD ...: fails where the function does; its answer is in $answer.
invoke() {
  local failed
  : >"$answer"
  failed=$(aws lambda invoke --function-name "$1" --payload "$2" "${@:3}" \
    --cli-read-timeout 900 --query FunctionError --output text "$answer") || return
  [[ $failed == None ]]
}

# give_up REASON: says as well what the function has answered.
give_up() {
  echo "$1: $(<"$answer")" >&2
  exit 1
}

# route VERSION [WEIGHTS]: what the alias points to.
route() {
  aws lambda update-alias --function-name "$service" --name live --function-version "$1" \
    --routing-config "AdditionalVersionWeights={${2:-}}" --output text >/dev/null
}

live=$(aws lambda get-alias --function-name "$service" --name live \
  --query FunctionVersion --output text 2>"$scratch/reason") || {
  # The first time there is none. Whoever may not ask must not take it for that.
  grep -q ResourceNotFoundException "$scratch/reason" || {
    cat "$scratch/reason" >&2
    exit 1
  }
  live="\$LATEST"
}

./build.sh
sam deploy --stack-name "$stack" \
  --parameter-overrides "Environment=$environment" "LiveVersion=$live" "Release=$release" "$@"

# {% if database %}
echo "Migrating"
echo '{"command": "db upgrade"}' >"$scratch/command.json"
invoke "$stack-manage" "fileb://$scratch/command.json" || give_up "The migration failed"

# {% endif %}
version=$(aws lambda publish-version --function-name "$service" --query Version --output text)
aws lambda wait published-version-active --function-name "$service" --qualifier "$version"
echo "Asking version $version whether it is ready"
invoke "$service" fileb://ready.json --qualifier "$version" || give_up "It does not start"
grep -q '"statusCode": *200' "$answer" || give_up "It is not"

if [[ $live != "\$LATEST" && $live != "$version" ]]; then
  echo "A tenth of the requests goes to version $version for $canary_seconds seconds"
  is_tried=yes
  route "$live" "$version=0.1"
  end=$((SECONDS + canary_seconds))
  while ((SECONDS < end)); do
    sleep $((canary_seconds < 15 ? canary_seconds : 15))
    weight=$(aws lambda get-alias --function-name "$service" --name live --output text \
      --query "RoutingConfig.AdditionalVersionWeights.\"$version\"")
    if [[ $weight == None ]]; then
      is_tried=no
      echo "Version $version was taken back meanwhile" >&2
      exit 1
    fi
    state=$(aws cloudwatch describe-alarms --alarm-names "$stack-failures" \
      --query 'MetricAlarms[0].StateValue' --output text)
    if [[ $state == ALARM ]]; then
      echo "There are failures" >&2
      exit 1
    fi
  done
  # What rollback.sh goes back to; the first time it must be made.
  former=(--function-name "$service" --name former --function-version "$live" --output text)
  aws lambda update-alias "${former[@]}" >/dev/null 2>&1 ||
    aws lambda create-alias "${former[@]}" >/dev/null
fi
route "$version"
is_tried=no
echo "Version $version answers"
