package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"minigroups/config"
	"minigroups/e2e/harness"
	"minigroups/workflows"
)

// registerNamespace creates a namespace in Temporal. It returns when the frontend serves it.
func registerNamespace(t *testing.T, name string) {
	t.Helper()
	eventually(t, func() error { // just after a deletion the name may still be taken
		_, err := sut.client.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		return err
	})
	eventually(t, func() error {
		_, err := sut.client.OperatorService().ListSearchAttributes(t.Context(),
			&operatorservice.ListSearchAttributesRequest{Namespace: name})
		return err
	})
}

// configureNamespace writes a configuration that uses a namespace of its own, a database of its own and no gateways.
func configureNamespace(t *testing.T, name string) (file string, cfg config.Config) {
	t.Helper()
	if err := sut.postgres.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	cfg = sut.cfg
	cfg.Database.URL = config.DatabaseURL(sut.postgres.URL(name))
	cfg.Temporal.Namespace = name
	cfg.Janus.Backends = nil
	for _, listen := range []*string{&cfg.API.Listen, &cfg.API.MetricsListen} {
		var err error
		if *listen, err = harness.FreeAddress(); err != nil {
			t.Fatal(err)
		}
	}
	file = filepath.Join(t.TempDir(), "config.yaml")
	if err := config.Save(file, cfg); err != nil {
		t.Fatal(err)
	}
	return file, cfg
}

// isRefusedAt returns an error unless a POST of the class is answered with a problem that repeating does not solve.
func (c *class) isRefusedAt(api string) error {
	r, err := sendTo(c.t.Context(), api, http.MethodPost, "/api/v1/minigroups", c.body)
	if err == nil && (r.code != http.StatusServiceUnavailable || r.Type != "service_misconfigured" || r.IsTransient) {
		err = fmt.Errorf("got %d %s", r.code, r.text)
	}
	return err
}

// readyzSays returns an error unless the state of one part begins so.
func readyzSays(ctx context.Context, api, part, state string) error {
	code, text, err := httpGet(ctx, api+"/readyz")
	if err == nil && (code != http.StatusOK || !strings.Contains(text, fmt.Sprintf(`"%s":"%s`, part, state))) {
		err = fmt.Errorf("/readyz answers %d %s", code, text)
	}
	return err
}

func TestASearchAttributeOfAnotherType(t *testing.T) {
	t.Parallel()
	const name = "typed"
	file, cfg := configureNamespace(t, name)
	if err := sut.migrate(t.Context(), file); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("without the namespace migrate ends with %v", err)
	}
	registerNamespace(t, name)
	if err := sut.migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	remove := func(attributes ...string) {
		_, err := sut.client.OperatorService().RemoveSearchAttributes(t.Context(),
			&operatorservice.RemoveSearchAttributesRequest{Namespace: name, SearchAttributes: attributes})
		if err != nil {
			t.Fatal(err)
		}
	}
	remove("MinigroupAttention")
	eventually(t, func() error {
		_, err := sut.client.OperatorService().AddSearchAttributes(t.Context(),
			&operatorservice.AddSearchAttributesRequest{Namespace: name, SearchAttributes: map[string]enumspb.IndexedValueType{
				"MinigroupAttention": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			}})
		return err
	})
	const wrong = "MinigroupAttention is Keyword, expected Bool"
	if err := sut.migrate(t.Context(), file); err == nil || !strings.Contains(err.Error(), wrong) {
		t.Errorf("migrate ends with %v", err)
	}
	api := "http://" + cfg.API.Listen
	p, err := sut.program(t.Context(), "typed-api", "api", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	eventually(t, func() error {
		return readyzSays(t.Context(), api, "temporal", "search attributes have another type: "+wrong)
	})
	c := newClass(t)
	eventually(t, func() error { return c.isRefusedAt(api) }) // the frontend may remember the old type for some seconds
	remove("MinigroupAttention")
	if err := sut.migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error { return readyzSays(t.Context(), api, "temporal", `ok"`) })
}

// TestAWorkerSurvivesTheDeletionOfItsNamespace waits until the SDK gives up the worker, which takes two minutes.
func TestAWorkerSurvivesTheDeletionOfItsNamespace(t *testing.T) {
	t.Parallel()
	const name = "deleted"
	registerNamespace(t, name)
	file, cfg := configureNamespace(t, name)
	if err := sut.migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	api, metrics := "http://"+cfg.API.Listen, "http://"+cfg.API.MetricsListen
	p, err := sut.program(t.Context(), name+"-api", "api", file, "MINIGROUPS_API__WORKER=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	isPolling := func(want int, reason string) error {
		ready, text, err := httpGet(t.Context(), metrics+"/readyz")
		if err != nil {
			return err
		}
		if (ready == http.StatusOK) != (want == 1) || !strings.Contains(text, reason) {
			return fmt.Errorf("the worker answers /readyz with %d %s", ready, text)
		}
		gauge := fmt.Sprintf("\nminigroups_worker_polling %d\n", want)
		if !strings.Contains(fetch(t, metrics+"/metrics"), gauge) {
			return fmt.Errorf("not among the metrics: %s", gauge)
		}
		state := `ok"`
		if want == 0 {
			state = "does not poll"
		}
		return readyzSays(t.Context(), api, "worker", state)
	}
	create := func(c *class, code int, headers ...string) error {
		delete(c.body, "reserve")
		r, err := sendTo(t.Context(), api, http.MethodPost, "/api/v1/minigroups", c.body, headers...)
		if err == nil && r.code != code {
			err = fmt.Errorf("got %d %s", r.code, r.text)
		}
		return err
	}
	statusOf := func(c *class) (any, error) {
		r, err := sendTo(t.Context(), api, http.MethodGet, c.path(), nil)
		if err == nil && r.code != http.StatusOK {
			err = fmt.Errorf("got %d %s", r.code, r.text)
		}
		return r.Status, err
	}
	eventually(t, func() error {
		return errors.Join(isPolling(1, ""), readyzSays(t.Context(), api, "temporal", `ok"`))
	})
	ready, open, later := newClass(t), newClass(t), newClass(t)
	if err := create(ready, http.StatusCreated); err != nil {
		t.Fatal(err)
	}
	restore := open.setFault(sut.conference, createFails)
	if err := create(open, http.StatusAccepted, "Prefer", "respond-async"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if len(open.openRooms(sut.event)) == 0 {
			return errors.New("no event room was made")
		}
		return nil
	})

	_, err = sut.client.OperatorService().DeleteNamespace(t.Context(),
		&operatorservice.DeleteNamespaceRequest{Namespace: name})
	if err != nil {
		t.Fatal(err)
	}
	deleted := time.Now()
	eventually(t, func() error {
		return errors.Join(
			isPolling(0, "is not found"), later.isRefusedAt(api),
			readyzSays(t.Context(), api, "temporal", "namespace "+name+" does not exist"))
	})
	within(t, 4*time.Minute, func() error {
		for _, line := range p.Tail() {
			if strings.Contains(line, "the worker does not poll Temporal; starting another") {
				return nil
			}
		}
		return errors.New("the SDK has not given up the worker")
	})
	t.Logf("the SDK gave up the worker after %s", time.Since(deleted).Round(time.Second))
	if now, err := statusOf(ready); err != nil || now != "real-time" {
		t.Errorf("a read without Temporal: %v, %v", now, err)
	}
	restore()

	registerNamespace(t, name)
	eventually(t, func() error {
		return readyzSays(t.Context(), api, "temporal", "search attributes are missing: run migrate")
	})
	if err := sut.migrate(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		return errors.Join(isPolling(1, ""), readyzSays(t.Context(), api, "temporal", `ok"`))
	})
	if err := create(later, http.StatusCreated); err != nil {
		t.Error(err)
	}
	temporal, err := client.NewClientFromExisting(sut.client, client.Options{Namespace: name, Logger: harness.NopLogger{}})
	if err != nil {
		t.Fatal(err)
	}
	defer temporal.Close()
	eventually(t, func() error { // the run of the open create was deleted with the namespace
		sweep := temporal.ScheduleClient().GetHandle(t.Context(), workflows.ScheduleClasses)
		err := sweep.Trigger(t.Context(), client.ScheduleTriggerOptions{})
		now, readErr := statusOf(open)
		if now != "failed" {
			err = errors.Join(err, readErr, fmt.Errorf("the create is %v", now))
		}
		return err
	})
	eventually(t, func() error {
		if left := len(open.openRooms(sut.event)) + len(open.openRooms(sut.conference)); left > 0 {
			return fmt.Errorf("%d rooms are open", left)
		}
		return nil
	})
}
