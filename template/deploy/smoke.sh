#!/bin/sh
# Waits until a deployed service is ready, and is the release that it should be:
#   deploy/smoke.sh https://api.example.com [RELEASE]
# Fails when it is not within SMOKE_SECONDS.
set -eu

# Load balancers take up to two minutes to see a new instance and to let the old one go.
limit=${SMOKE_SECONDS:-180}
# While instances are replaced, old and new ones answer in turn.
in_a_row=3

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
  echo "usage: deploy/smoke.sh URL [RELEASE]" >&2
  exit 2
fi
if ! command -v curl > /dev/null; then
  echo "curl is needed: install it." >&2
  exit 2
fi
url=${1%/}
release=${2:-}
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# Says what is wrong, if anything is.
look_at() {
  if ! status=$(curl --silent --show-error --max-time 5 --output "$answer" --write-out '%{http_code}' "$url$1" 2>&1); then
    # Without an answer curl ends with a status of zeros.
    echo "$1: ${status%?000}"
  elif [ "$status" != 200 ]; then
    echo "$1: status $status"
  fi
}

look() {
  found=$(look_at /health/ready)
  # A proxy in front may keep to itself what that says.
  if [ "$found" = "/health/ready: status 404" ]; then found=; fi
  if [ -z "$found" ]; then
    found=$(look_at /health/live)
    if [ -z "$found" ] && [ -n "$release" ] && ! grep --quiet --fixed-strings "\"release\":\"$release\"" "$answer"; then
      found="/health/live: not release $release, but $(cat "$answer")"
    fi
  fi
  echo "$found"
}

end=$(($(date +%s) + limit))
right=0
while [ "$right" -lt "$in_a_row" ]; do
  found=$(look)
  if [ -z "$found" ]; then
    right=$((right + 1))
  else
    right=0
    if [ "$(date +%s)" -ge "$end" ]; then
      echo "$url is not as it should be after $limit seconds: $found" >&2
      exit 1
    fi
  fi
  sleep 1
done
echo "$url is ready${release:+, release $release}."
