#!/usr/bin/env bash
# deploy/aws_lambda/build.sh [PLATFORM]: makes build/aws_lambda, which is what the functions have.
#
# uv takes wheels for the platform of the functions, so any machine will do.
set -euo pipefail
cd "$(dirname "$0")/../.."

platform=${1:-aarch64-manylinux_2_28}
target=build/aws_lambda
python={{ python_version }}

command -v uv >/dev/null || {
  echo "uv is missing: https://docs.astral.sh/uv/getting-started/installation/" >&2
  exit 1
}

rm -rf "$target"
mkdir -p "$target"
requirements=$(mktemp)
trap 'rm -f "$requirements"' EXIT
# Lambda is the server itself. rich only makes the output of commands colourful, and logging would
# import it too.
pruned=(--prune uvicorn --prune rich)
# {% if secrets %}
# The largest part of all, and the runtime has it.
pruned+=(--prune boto3)
# {% endif %}
uv export --quiet --no-dev --no-emit-project --no-hashes --no-header "${pruned[@]}" \
  --output-file "$requirements"
uv pip install --quiet --no-deps --only-binary :all: --target "$target" \
  --python-platform "$platform" --python-version "$python" --requirements "$requirements"
# FastAPI imports what pydantic 1 was, if it is there, to refuse models of it: a tenth of a start.
rm -rf "${target:?}/bin" "$target/.lock" "$target/pydantic/v1"

cp -R app "$target/"
# {% if database %}
cp -R alembic.ini migrations "$target/"
# {% endif %}
find "$target" -name __pycache__ -type d -prune -exec rm -rf {} +
# The folder cannot be written to: without bytecode each start would compile everything. Whoever
# packs it sets other times, so these must not count.
uv run --quiet --no-project --python "$python" \
  python -m compileall -q --invalidation-mode unchecked-hash "$target" ||
  echo "Some files could not be compiled: starts take longer" >&2

echo "$target: $(du -sm "$target" | cut -f1) MB of the 250 that AWS allows"
