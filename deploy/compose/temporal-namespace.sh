#!/bin/sh
# Creates the namespace, unless it exists, and waits until it can be used. Closed runs are kept for a week, which must be
# less than retention.history.
set -eu

temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 168h

# The server learns of a new namespace some seconds later. Until then it refuses what migrate asks first.
for _ in $(seq 60); do
  temporal operator search-attribute list --namespace default >/dev/null 2>&1 && exit
  sleep 1
done
echo "the server does not serve the new namespace" >&2
exit 1
