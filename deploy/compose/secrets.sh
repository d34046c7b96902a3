#!/bin/sh
# Creates the secrets for compose.yaml that do not exist yet: keys in deploy/secrets, passwords in deploy/.env.
set -eu
cd "$(dirname "$0")/.."

# Containers read the files under other accounts, so the folder's mode protects the keys, not the files' modes.
mkdir -p secrets
chmod 700 secrets
umask 022
[ -e secrets/service.pem ] || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out secrets/service.pem
openssl pkey -in secrets/service.pem -pubout -out secrets/service.pub.pem
[ -e secrets/issuer.key ] || openssl rand -out secrets/issuer.key 48

if [ ! -e .env ]; then
  for name in POSTGRES_PASSWORD JANUS_ADMIN_KEY JANUS_ADMIN_SECRET JANUS_ROOM_KEY GRAFANA_PASSWORD; do
    echo "$name=$(openssl rand -hex 24)"
  done | (umask 077 && cat >.env)
fi

# The stand-in for Janus reads files.
sed -n 's/^JANUS_ADMIN_KEY=//p' .env >secrets/janus-admin-key
sed -n 's/^JANUS_ADMIN_SECRET=//p' .env >secrets/janus-admin-secret
chmod 644 secrets/*
