#!/usr/bin/env bash
# Prepare a server, as root; Debian 12, Debian 13 or Ubuntu 24.04. It may be run again.
#   setup.sh staging|production DOMAIN EMAIL [OPTION...]
# DOMAIN must lead here already, for the certificate; EMAIL is where its issuer writes to.
# Options, for what is to run on this machine too:
# {% if database %}
#   --postgresql    PostgreSQL, with a database and a user of the service's own
# {% endif %}
# {% if redis %}
#   --redis         Redis, which keeps what it has on the disk
# {% endif %}
set -euo pipefail
umask 022
here=$(dirname "$(readlink --canonicalize "${BASH_SOURCE[0]}")")

service={{ project_slug }}
home=/opt/$service
settings=/etc/$service/environment
site=/etc/nginx/sites-available/$service

fail() {
  echo "setup.sh: $*" >&2
  exit 1
}

say() {
  echo "setup.sh: $*"
}

environment=${1:-} domain=${2:-} email=${3:-}
[[ $environment =~ ^(staging|production)$ && $domain == *.* && $email == *@* ]] ||
  fail "usage: setup.sh staging|production DOMAIN EMAIL [OPTION...]"
shift 3
# {% if database %}
postgresql=
# {% endif %}
# {% if redis %}
redis=
# {% endif %}
for option in "$@"; do
  case $option in
    # {% if database %}
    --postgresql) postgresql='postgresql' ;;
    # {% endif %}
    # {% if redis %}
    --redis) redis='redis-server' ;;
    # {% endif %}
    *) fail "there is no option $option" ;;
  esac
done
[[ $EUID == 0 ]] || fail "only root may do this"
# shellcheck source=/dev/null
system=$(. /etc/os-release && echo "$ID $VERSION_ID")
[[ $system =~ ^(debian\ 1[23]|ubuntu\ 24\.04)$ ]] || fail "not tried on $system"

packages() {
  local names=(certbot curl nginx python3 python3-venv ufw unattended-upgrades)
  # {% if database %}
  [[ -z $postgresql ]] || names+=("$postgresql")
  # {% endif %}
  # {% if redis %}
  [[ -z $redis ]] || names+=("$redis")
  # {% endif %}
  say "installing ${names[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update --quiet=2
  apt-get install --quiet=2 --yes --no-install-recommends "${names[@]}"
}

# The distribution mends what it brings, every day and by itself.
upgrades() {
  printf 'APT::Periodic::%s "1";\n' Update-Package-Lists Unattended-Upgrade >/etc/apt/apt.conf.d/20auto-upgrades
}

firewall() {
  local port
  # 22 for yourself, 80 for certificates and redirects, 443 for everybody.
  for port in 22 80 443; do
    ufw allow "$port/tcp" >/dev/null
  done
  ufw --force enable
}

folders() {
  mkdir -p "$home/releases" "/etc/nginx/$service" /var/www/acme
  install -d -m 0700 "/etc/$service"
  if [[ ! -x $home/tools/bin/uv ]]; then
    python3 -m venv "$home/tools"
    "$home/tools/bin/python" -m pip install --quiet 'uv==0.13.*'
  fi
}

# What is already there stays as it is. Only root reads it: systemd does, for the service.
variables() {
  [[ ! -f $settings ]] || return 0
  say "writing $settings: look it through"
  install -m 0600 /dev/null "$settings"
  cat >"$settings" <<END
# python -m app.cli settings lists all of them.
ENVIRONMENT=$environment
TRUSTED_HOSTS=$domain
# A process for each processor.
WEB_CONCURRENCY=$(nproc)
# {% if auth %}
SECRET_KEY=$(python3 -c 'import secrets; print(secrets.token_urlsafe(48))')
# {% endif %}
# {% if database %}
DATABASE_URL=
# {% endif %}
# {% if redis %}
REDIS_URL=
# {% endif %}
# {% if celery and broker == 'rabbitmq' %}
CELERY_BROKER_URL=
# {% endif %}
# {% if email %}
EMAIL_SMTP_HOST=
EMAIL_SMTP_USERNAME=
EMAIL_SMTP_PASSWORD=
EMAIL_SENDER=
EMAIL_LINK_URL=
# {% endif %}
# {% if oauth %}
OAUTH_REDIRECT_URL=
# {% endif %}
# {% if files %}
STORAGE_BUCKET=
# {% endif %}
END
}
# {% if database %}

database() {
  [[ -n $postgresql ]] || return 0
  systemctl --quiet enable --now postgresql
  ! runuser --user postgres -- psql --tuples-only --command "SELECT 'found' FROM pg_database WHERE datname = '$service'" |
    grep --quiet found || return 0
  say "making the database $service"
  local password
  password=$(python3 -c 'import secrets; print(secrets.token_hex(24))')
  runuser --user postgres -- psql --quiet --set ON_ERROR_STOP=1 <<END
CREATE USER "$service" PASSWORD '$password';
CREATE DATABASE "$service" OWNER "$service";
END
  sed --in-place "s|^DATABASE_URL=\$|DATABASE_URL=postgresql://$service:$password@127.0.0.1:5432/$service|" "$settings"
}
# {% endif %}
# {% if redis %}

keys() {
  [[ -n $redis ]] || return 0
  systemctl --quiet enable --now redis-server
  # Nothing in it may be lost by a restart.
  redis-cli CONFIG SET appendonly yes >/dev/null
  redis-cli CONFIG REWRITE >/dev/null
  sed --in-place "s|^REDIS_URL=\$|REDIS_URL=redis://127.0.0.1:6379/0|" "$settings"
}
# {% endif %}

# The certificate is asked for through the site, and the site needs the certificate: first without.
web() {
  local certificate=/etc/letsencrypt/live/$domain/fullchain.pem
  install -m 0644 "$here"/../nginx/{http,redirect,service}.conf "/etc/nginx/$service"
  rm -f /etc/nginx/sites-enabled/default
  ln -sf "$site" "/etc/nginx/sites-enabled/$service"
  if [[ ! -f $certificate ]]; then
    printf 'server {\n    listen 80;\n    include /etc/nginx/%s/redirect.conf;\n}\n' "$service" >"$site"
    systemctl reload-or-restart nginx
    say "asking for a certificate of $domain"
    # The hook is kept for the renewals, of which certbot's own timer takes care.
    certbot certonly --quiet --non-interactive --agree-tos --email "$email" --webroot --webroot-path /var/www/acme \
      --domain "$domain" --deploy-hook 'systemctl reload nginx'
  fi
  sed "s/api\.example\.com/$domain/g" "$here/nginx.conf" >"$site"
  nginx -t -q
  systemctl reload-or-restart nginx
}

packages
upgrades
firewall
folders
variables
# {% if database %}
database
# {% endif %}
# {% if redis %}
keys
# {% endif %}
web
say "ready for deploy.sh, once $settings has what it needs"
