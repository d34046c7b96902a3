#!/bin/sh
# Does what the entrypoint of temporalio/server does with BIND_ON_IP and TEMPORAL_BROADCAST_ADDRESS.
set -eu

: "${BIND_ON_IP:=$(hostname -i)}"
if [ "$BIND_ON_IP" = 0.0.0.0 ]; then
  : "${TEMPORAL_BROADCAST_ADDRESS:=$(hostname -i)}"
  export TEMPORAL_BROADCAST_ADDRESS
fi
export BIND_ON_IP
exec temporal-server --root /etc --config temporal --env server --allow-no-auth start
