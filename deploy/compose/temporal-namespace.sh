#!/bin/sh
# Creates the namespace, unless it exists. Closed runs are kept for a week, which must be less than retention.history.
set -eu

temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 168h
