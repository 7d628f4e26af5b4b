#!/usr/bin/env bash
# Deploy the last commit: deploy/vm/deploy.sh staging|production [HOST...]
# Without hosts: those of deploy/vm/hosts. It stops at the first one that fails, which goes on with
# what it had.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

fail() {
  echo "deploy.sh: $*" >&2
  exit 1
}

environment=${1:-}
[[ $environment =~ ^(staging|production)$ ]] || fail "usage: deploy.sh staging|production [HOST...]"
shift
for tool in git ssh; do
  command -v "$tool" >/dev/null || fail "$tool is missing"
done
hosts=${*:-$(awk -v name="$environment" '$1 == name { print $2 }' deploy/vm/hosts)}
[[ -n $hosts ]] || fail "deploy/vm/hosts names no host of $environment"
git cat-file -e HEAD:./uv.lock 2>/dev/null || fail "the commit has no uv.lock: uv lock, and commit it"
[[ -z $(git status --porcelain) ]] || echo "deploy.sh: what is not committed is not deployed" >&2

commit=$(git rev-parse HEAD)
release=$(date -u +%Y%m%dT%H%M%S)-${commit:0:12}
folder=/opt/{{ project_slug }}/releases/$release
unpack="sudo mkdir '$folder' && sudo tar --extract --no-same-owner --directory '$folder'"
note="echo 'RELEASE=$commit' | sudo tee '$folder/release.env' >/dev/null"
for host in $hosts; do
  echo "deploy.sh: $release to $host"
  # shellcheck disable=SC2029 # the names are known here, not there
  git archive HEAD | ssh "$host" "$unpack && $note"
  # shellcheck disable=SC2029
  ssh "$host" "sudo '$folder/deploy/vm/release.sh' deploy '$environment' '$release'"
done
