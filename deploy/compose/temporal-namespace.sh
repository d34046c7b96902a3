#!/bin/sh
# Makes the namespace, unless it is there. Runs that have ended are kept for a week.
set -eu

temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 168h
