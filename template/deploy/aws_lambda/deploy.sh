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
trap 'rm -rf "$scratch"' EXIT
answer=$scratch/answer.json

# invoke FUNCTION PAYLOAD ...: fails where the function does; its answer is in $answer.
invoke() {
  local failed
  failed=$(aws lambda invoke --function-name "$1" --payload "$2" "${@:3}" \
    --cli-read-timeout 900 --query FunctionError --output text "$answer")
  [[ $failed == None ]] || {
    cat "$answer" >&2
    return 1
  }
}

# route VERSION [WEIGHTS]: what the alias points to.
route() {
  aws lambda update-alias --function-name "$service" --name live --function-version "$1" \
    --routing-config "AdditionalVersionWeights={${2:-}}" --output text >/dev/null
}

live=$(aws lambda get-alias --function-name "$service" --name live \
  --query FunctionVersion --output text 2>/dev/null || echo "\$LATEST")

./build.sh
sam deploy --stack-name "$stack" \
  --parameter-overrides "Environment=$environment" "LiveVersion=$live" "Release=$release" "$@"

# {% if database %}
echo "Migrating"
echo '{"command": "db upgrade"}' >"$scratch/command.json"
invoke "$stack-manage" "fileb://$scratch/command.json"

# {% endif %}
version=$(aws lambda publish-version --function-name "$service" --query Version --output text)
aws lambda wait published-version-active --function-name "$service" --qualifier "$version"
echo "Asking version $version whether it is ready"
invoke "$service" fileb://ready.json --qualifier "$version"
grep -q '"statusCode": *200' "$answer" || {
  cat "$answer" >&2
  exit 1
}

if [[ $live != "\$LATEST" && $live != "$version" ]]; then
  echo "A tenth of the requests goes to version $version for $canary_seconds seconds"
  route "$live" "$version=0.1"
  end=$((SECONDS + canary_seconds))
  while ((SECONDS < end)); do
    sleep $((canary_seconds < 15 ? canary_seconds : 15))
    state=$(aws cloudwatch describe-alarms --alarm-names "$stack-failures" \
      --query 'MetricAlarms[0].StateValue' --output text)
    if [[ $state == ALARM ]]; then
      route "$live"
      echo "There are failures: all requests go to version $live, as before" >&2
      exit 1
    fi
  done
fi
route "$version"
echo "Version $version answers"
