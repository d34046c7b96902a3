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

// stock is a Temporal dev server without our settings.
const stock = "its dev server, stock"

// another marks a kind of Temporal that is shared with nobody: what waits there is no burden to others.
const another = ", another"

// temporal returns the server of a kind, awake, started when it is first asked for.
func (w *world) temporal(ctx context.Context, kind string) (*stack.Temporal, error) {
	if t, ok := w.temporals[kind]; ok {
		t.Thaw()
		return t, nil
	}
	w.say("starting Temporal on %s", kind)
	t, err := w.startTemporal(ctx, kind)
	if err != nil {
		return nil, err
	}
	w.temporals[kind] = t
	w.parts = append(w.parts, t)
	return t, nil
}

// giveTemporal gives a system a Temporal of a kind.
func (w *world) giveTemporal(ctx context.Context, s *system, kind string) (err error) {
	s.temporal, err = w.temporal(ctx, kind)
	s.restless = !strings.HasPrefix(kind, report.PostgreSQL)
	return err
}

func (w *world) startTemporal(ctx context.Context, kind string) (*stack.Temporal, error) {
	switch kind {
	case report.DevServer, report.DevServer + another:
		return w.startDevServer(ctx, kind, false)
	case stock:
		return w.startDevServer(ctx, kind, true)
	case report.PostgreSQL:
		return w.startOnPostgres(ctx, "")
	case report.PostgreSQL + another:
		return w.startOnPostgres(ctx, "another_")
	default:
		return nil, fmt.Errorf("there is no Temporal on %s", kind)
	}
}

func (w *world) startDevServer(ctx context.Context, kind string, stock bool) (*stack.Temporal, error) {
	binary, err := stack.BuildTemporal(ctx, w.root, w.progress)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	name := databaseOf("temporal, " + kind)
	return stack.StartTemporal(ctx, stack.TemporalOptions{
		Binary: binary, DBFile: filepath.Join(w.dir, name+".db"), Address: address,
		SearchAttributes: workflows.SearchAttributes(), Stock: stock, Log: w.log(name),
	})
}

// startOnPostgres starts Temporal's own server on the Postgres that everybody shares. It gets its search attributes when the
// product migrates.
func (w *world) startOnPostgres(ctx context.Context, prefix string) (*stack.Temporal, error) {
	binary, schemaTool, err := stack.BuildTemporalServer(ctx, w.root, w.progress)
	if err != nil {
		return nil, err
	}
	ports, err := stack.FreeTemporalPorts()
	if err != nil {
		return nil, err
	}
	return stack.StartTemporalServer(ctx, stack.TemporalServerOptions{
		Binary: binary, SchemaTool: schemaTool, Dir: filepath.Join(w.dir, prefix+"temporal-server"), Postgres: w.postgres, Prefix: prefix, Ports: ports, Log: w.log(prefix + "temporal-server"),
	})
}

// pauseSweeps stops the schedules of the sweeper: upstreams that remember nothing would have every room made again each minute.
func pauseSweeps(ctx context.Context, address string) error {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: quiet{}})
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
