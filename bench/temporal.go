package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/client"

	"minigroups/bench/report"
	"minigroups/stack"
	"minigroups/workflows"
)

// stock is a Temporal dev server with its default settings.
const stock = report.DevServer + ", stock"

// separate is the suffix of a kind of server that no other system shares, so that its waiting sagas slow down no other.
const separate = ", separate"

// temporal returns the server of a kind, which is not frozen. At the first call with this kind it starts the server.
func (e *environment) temporal(ctx context.Context, kind string) (*stack.Temporal, error) {
	if t, ok := e.temporals[kind]; ok {
		t.Thaw()
		return t, nil
	}
	e.printf("starting Temporal on %s", kind)
	t, err := e.startTemporal(ctx, kind)
	if err != nil {
		return nil, err
	}
	e.temporals[kind] = t
	e.processes = append(e.processes, t)
	return t, nil
}

// assignTemporal gives a system the Temporal server of a kind.
func (e *environment) assignTemporal(ctx context.Context, s *system, kind string) (err error) {
	s.temporal, err = e.temporal(ctx, kind)
	s.temporalNeverFrozen = !strings.HasPrefix(kind, report.PostgreSQL)
	return err
}

func (e *environment) startTemporal(ctx context.Context, kind string) (*stack.Temporal, error) {
	switch kind {
	case report.DevServer, report.DevServer + separate, report.DevServer + clustered:
		return e.startDevServer(ctx, kind, false)
	case stock:
		return e.startDevServer(ctx, kind, true)
	case report.PostgreSQL:
		return e.startOnPostgres(ctx, "")
	case report.PostgreSQL + separate:
		return e.startOnPostgres(ctx, "separate_")
	case report.PostgreSQL + clustered:
		return e.startOnPostgres(ctx, "clustered_")
	default:
		return nil, fmt.Errorf("unknown kind of Temporal server: %s", kind)
	}
}

func (e *environment) startDevServer(ctx context.Context, kind string, stock bool) (*stack.Temporal, error) {
	binary, err := stack.BuildTemporal(ctx, e.root, e.progress)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := databaseOf("temporal, " + kind)
	return stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: binary, DBFile: filepath.Join(e.dir, name+".db"), Address: address,
		SearchAttributes: workflows.SearchAttributes(), Stock: stock, Log: e.log(name),
	})
}

// startOnPostgres starts a production server on the Postgres that all systems share. The product's migrate registers
// the search attributes.
func (e *environment) startOnPostgres(ctx context.Context, prefix string) (*stack.Temporal, error) {
	binary, schemaTool, err := stack.BuildTemporalServer(ctx, e.root, e.progress)
	if err != nil {
		return nil, err
	}
	ports, err := stack.FreeTemporalPorts()
	if err != nil {
		return nil, err
	}
	return stack.StartTemporalServer(ctx, stack.TemporalServerOptions{
		Binary: binary, SchemaTool: schemaTool, Dir: filepath.Join(e.dir, prefix+"temporal-server"),
		Postgres: e.postgres, Prefix: prefix, Ports: ports, Log: e.log(prefix + "temporal-server"),
	})
}

// pauseSweeps pauses the schedules of the sweeper, which would create every room again each minute, because the
// upstreams remember none.
func pauseSweeps(ctx context.Context, address string) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: discardLogger{}})
	if err != nil {
		return err
	}
	defer c.Close()
	for _, id := range []string{workflows.ScheduleClasses, workflows.ScheduleGateways} {
		if err := c.ScheduleClient().GetHandle(ctx, id).Pause(ctx, client.SchedulePauseOptions{}); err != nil {
			return fmt.Errorf("pause %s: %w", id, err)
		}
	}
	return nil
}
