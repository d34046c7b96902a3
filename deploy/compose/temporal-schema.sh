#!/bin/sh
# Creates Temporal's two databases and updates their schemas to the version of the tool, which is that of the server.
# It is idempotent. SQL_HOST, SQL_USER and the like name the server.
set -eu

for pair in temporal:temporal temporal_visibility:visibility; do
  export SQL_DATABASE="${pair%:*}"
  temporal-sql-tool create-database --defaultdb postgres
  temporal-sql-tool setup-schema --version 0.0
  temporal-sql-tool update-schema --schema-name "postgresql/v12/${pair#*:}"
done
