#!/bin/sh
# Makes the namespace, unless it is there. Runs that have ended are kept for a week: for less
# than the ledger remembers what they did (retention.history).
set -eu

temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 168h
