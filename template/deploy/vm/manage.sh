#!/usr/bin/env bash
# On the server, as root: a management command of the release that runs, with its settings and no more
# rights than the service has.
#   /opt/{{ project_slug }}/current/deploy/vm/manage.sh --help
set -euo pipefail

folder=$(readlink --canonicalize /opt/{{ project_slug }}/current)
terminal=--pipe
[[ ! -t 0 ]] || terminal=--pty
exec systemd-run --quiet --collect --wait "$terminal" --unit "{{ project_slug }}-manage-$$" \
  --property EnvironmentFile=/etc/{{ project_slug }}/environment \
  --property WorkingDirectory="$folder" \
  "$folder/.venv/bin/python" -m app.cli "$@"
