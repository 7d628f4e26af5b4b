#!/usr/bin/env bash
# run.sh ENVIRONMENT COMMAND...: runs a management command in a task of its own, for example
#   run.sh production python -m app.cli settings
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$(dirname "$0")/common.sh"

[[ $# -ge 2 ]] || fail "usage: $0 ENVIRONMENT COMMAND..."
prepare "$1"
shift
run_command "$@"
