package main

import (
	"context"
	"net"
	"net/url"
	"time"

	"go.temporal.io/sdk/client"
)

// The states of Temporal and of the broker that /readyz shows.
const (
	stateOK          = "ok"
	stateUnreachable = "unreachable"
)

// stateTimeout bounds each check, so that a probe of /readyz is answered in time.
const stateTimeout = time.Second

// temporalState returns a check whether Temporal answers.
func temporalState(temporal client.Client) func(context.Context) string {
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, stateTimeout)
		defer cancel()
		if _, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return stateUnreachable
		}
		return stateOK
	}
}

// brokerState returns a check whether the broker accepts connections.
func brokerState(broker string) func(context.Context) string {
	target, err := url.Parse(broker) // config has checked it
	if err != nil || broker == "" {
		return func(context.Context) string {
			return "not configured: rooms whose reply was lost are not found, and classes end by their time alone"
		}
	}
	return func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, stateTimeout)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", target.Host)
		if err != nil {
			return stateUnreachable
		}
		_ = conn.Close()
		return stateOK
	}
}
