# What the scripts beside it share; they source it. Bash and the AWS CLI are all it takes.
# shellcheck shell=bash
set -euo pipefail

service="{{ project_slug }}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# In this order: who sends something comes after whoever understands it. What web runs is what was
# deployed to the end.
# shellcheck disable=SC2034
# {% if celery and events %}
processes=(worker consumer beat web)
# {% elif celery %}
processes=(worker beat web)
# {% elif events %}
processes=(consumer web)
# {% else %}
processes=(web)
# {% endif %}

fail() {
  echo "$*" >&2
  exit 1
}

# prepare ENVIRONMENT: checks what all else relies on.
prepare() {
  environment=$1
  case $environment in
    staging | production) ;;
    *) fail "ENVIRONMENT must be staging or production, not '$environment'." ;;
  esac
  command -v aws >/dev/null || fail "The AWS CLI is needed: https://aws.amazon.com/cli/"
  settings="$here/$environment.conf"
  local missing
  missing=$(sed -n 's/^\([A-Za-z.]*\)=[[:space:]]*$/\1/p' "$settings" | paste -sd ' ' -)
  [[ -z $missing ]] || fail "Set these in $settings: $missing"
}

# parameters STACK: the lines of the settings that are for this stack, or for all.
parameters() {
  sed -n 's/^\([A-Z][A-Za-z]*=.*\)$/\1/p' "$settings"
  sed -n "s/^$1\.\([A-Z][A-Za-z]*=.*\)\$/\1/p" "$settings"
}

# describe STACK QUERY: something of a stack, in one line; nothing where there is none.
describe() {
  local found
  found=$(aws cloudformation describe-stacks --stack-name "$service-$environment-$1" \
    --query "Stacks[0].[$2]" --output text 2>&1) || {
    [[ $found == *"does not exist"* ]] || fail "$found"
    return 0
  }
  echo "$found"
}

# outputs STACK NAME...: outputs of a stack that has to be there.
outputs() {
  local name=$1 query found
  shift
  query=$(printf ",Outputs[?OutputKey=='%s'].OutputValue|[0]" "$@")
  found=$(describe "$name" "${query:1}")
  [[ -n $found ]] || fail "There is no $service-$environment-$name: has setup.sh $environment been run?"
  echo "$found"
}

# look STACK: sets `status`, `image` and `previous` to what a stack says; empty where it does not.
look() {
  local query="StackStatus" found name
  for name in Image PreviousImage; do
    query+=",Parameters[?ParameterKey=='$name'].ParameterValue|[0]"
  done
  found=$(describe "$1" "$query")
  IFS=$'\t' read -r status image previous <<<"$found"
  [[ $image != None ]] || image=""
  [[ $previous != None ]] || previous=""
}

# stack NAME TEMPLATE [PARAMETER=VALUE...]: makes or changes a stack, and waits until it has settled.
stack() {
  local name=$1 template=$2 overrides
  shift 2
  mapfile -t overrides < <(parameters "$name")
  aws cloudformation deploy --stack-name "$service-$environment-$name" --template-file "$here/$template" \
    --parameter-overrides "Service=$service" "Environment=$environment" "${overrides[@]}" "$@" \
    --tags "Service=$service" "Environment=$environment" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset
}

# process NAME IMAGE: brings a process to an image, and lets it remember the one before.
process() {
  local status image previous
  look "$1"
  # What could not be made in the first place has to go before it can be made.
  if [[ $status == ROLLBACK_COMPLETE ]]; then
    aws cloudformation delete-stack --stack-name "$service-$environment-$1"
    aws cloudformation wait stack-delete-complete --stack-name "$service-$environment-$1"
    image=""
  fi
  [[ $image == "$2" ]] || previous=$image
  stack "$1" process.yaml "Process=$1" "Image=$2" "PreviousImage=$previous"
}

# run_command WORD...: a task of its own that runs a command, whose output and exit code are passed on.
run_command() {
  local definition cluster log subnet1 subnet2 group words started task status code reason
  definition=$(outputs command TaskDefinition)
  read -r cluster log <<<"$(outputs cluster Cluster Logs)"
  read -r subnet1 subnet2 group <<<"$(outputs network PrivateSubnet1 PrivateSubnet2 TaskSecurityGroup)"
  words=$(printf ',"%s"' "${@//[\"\\]/\\&}")
  started=$(aws ecs run-task --cluster "$cluster" --task-definition "$definition" --launch-type FARGATE \
    --network-configuration "awsvpcConfiguration={subnets=[$subnet1,$subnet2],securityGroups=[$group],assignPublicIp=DISABLED}" \
    --overrides "{\"containerOverrides\":[{\"name\":\"app\",\"command\":[${words:1}]}]}" \
    --query '[tasks[0].taskArn, failures[0].reason]' --output text)
  IFS=$'\t' read -r task reason <<<"$started"
  [[ $task == arn:* ]] || fail "The task could not be started: $reason"
  # The waiter of the CLI gives up after ten minutes, and what is run here may take longer.
  until [[ ${status:-} == STOPPED ]]; do
    sleep "${POLL_SECONDS:-5}"
    started=$(aws ecs describe-tasks --cluster "$cluster" --tasks "$task" \
      --query 'tasks[0].[lastStatus, containers[0].exitCode, stoppedReason, containers[0].reason]' --output text)
    IFS=$'\t' read -r status code reason <<<"$started"
  done
  aws logs get-log-events --log-group-name "$log" --log-stream-name "command/app/${task##*/}" \
    --start-from-head --query 'events[].[message]' --output text || echo "It has left no log." >&2
  [[ $code == 0 ]] || fail "'$*' ended with $code. $reason"
}

# smoke: whether the service answers where people call it.
smoke() {
  local domain
  domain=$(sed -n 's/^DomainName=//p' "$settings")
  # A minute, for the load balancer to notice.
  curl --fail --silent --show-error --max-time 10 --retry 12 --retry-delay 5 --retry-all-errors \
    "${SMOKE_URL:-https://$domain/health/ready}"
  echo
}
