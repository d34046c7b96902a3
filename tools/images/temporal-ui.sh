#!/bin/sh
# Does what the entrypoint of temporalio/ui does with TEMPORAL_ADDRESS.
set -eu

cat >/tmp/ui.yaml <<END
host: 0.0.0.0
port: 8080
enableUi: true
temporalGrpcAddress: $TEMPORAL_ADDRESS
defaultNamespace: default
END
exec temporal-ui --root /tmp --config . --env ui start
