package stack_test

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"minigroups/stack"
)

func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", itoa(port))
}

func TestTemporal(t *testing.T) {
	binary, err := stack.BuildTemporal(t.Context(), "..", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	options := stack.TemporalOptions{
		Binary:           binary,
		DBFile:           filepath.Join(t.TempDir(), "temporal.db"),
		Address:          freeAddress(t),
		UIAddress:        freeAddress(t),
		Namespace:        "things",
		SearchAttributes: map[string]string{"ThingId": "Keyword", "ThingLost": "Bool"},
		Log:              filepath.Join(t.TempDir(), "log"),
	}
	launch := func(t *testing.T) *stack.Temporal {
		t.Helper()
		server, err := stack.StartTemporal(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = server.Kill() })
		return server
	}
	dial := func(t *testing.T, server *stack.Temporal) client.Client {
		t.Helper()
		c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address(), Namespace: "things"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}

	server := launch(t)
	c := dial(t, server)
	attributes := func(c client.Client) map[string]enums.IndexedValueType {
		t.Helper()
		known, err := c.OperatorService().ListSearchAttributes(t.Context(),
			&operatorservice.ListSearchAttributesRequest{Namespace: "things"})
		if err != nil {
			t.Fatal(err)
		}
		return known.GetCustomAttributes()
	}
	got := attributes(c)
	if got["ThingId"] != enums.INDEXED_VALUE_TYPE_KEYWORD || got["ThingLost"] != enums.INDEXED_VALUE_TYPE_BOOL {
		t.Errorf("search attributes: %v", got)
	}
	run := func(c client.Client, id, attribute string) {
		t.Helper()
		known := temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(attribute).ValueSet("x"))
		options := client.StartWorkflowOptions{ID: id, TaskQueue: "things", TypedSearchAttributes: known}
		if _, err := c.ExecuteWorkflow(t.Context(), options, "Thing"); err != nil {
			t.Errorf("start a workflow with %s: %v", attribute, err)
		}
	}
	run(c, "thing/1", "ThingId")
	reply, err := http.Get("http://" + options.UIAddress)
	if err != nil {
		t.Fatal(err)
	}
	_ = reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		t.Errorf("the UI answers %s", reply.Status)
	}
	if _, err := stack.StartTemporal(t.Context(), options); err == nil || !strings.Contains(err.Error(), options.Address) {
		t.Errorf("a second server on the same port: %v", err)
	}

	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	options.SearchAttributes["ThingNew"] = "Keyword"
	c = dial(t, launch(t))
	if got := attributes(c); got["ThingNew"] != enums.INDEXED_VALUE_TYPE_KEYWORD {
		t.Errorf("search attributes after a restart with one more: %v", got)
	}
	run(c, "thing/2", "ThingNew")
	if _, err := c.DescribeWorkflowExecution(t.Context(), "thing/1", ""); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}
