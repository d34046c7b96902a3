package secured

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"

	"minigroups/e2e/harness"
	"minigroups/sandbox"
	"minigroups/stack"
	"minigroups/stack/stacktest"
	"minigroups/workflows"
)

// personal are the host, a tag, a property, the host of an update, and the account that sends the requests.
var personal = []string{
	"teacher.example.org", "tag-of-the-course", "property-of-the-class", "substitute.example.org",
	`"label":"dev"`,
}

func body(scope string) map[string]any {
	return map[string]any{
		"audience": harness.Audience, "scope": scope, "host": personal[0],
		"tags": map[string]any{"course": personal[1]}, "properties": map[string]any{"theme": personal[2]},
	}
}

func byScope(scope string) string { return "/audiences/" + harness.Audience + "/minigroups/" + scope }

// TestTheServiceWithMutualTLSAndEncryption creates, reads, updates and recreates; looks at what Temporal has of it; and
// replaces all certificates while a create waits.
func TestTheServiceWithMutualTLSAndEncryption(t *testing.T) {
	s := start(t)
	s.send(http.StatusCreated, http.MethodPost, "/minigroups", body("math-7b"))
	class := s.send(http.StatusOK, http.MethodGet, byScope("math-7b"), nil).ClassID
	s.send(http.StatusOK, http.MethodPut, byScope("math-7b"), map[string]any{"host": personal[3]})
	s.send(http.StatusOK, http.MethodPost, "/minigroups/"+class.String()+"/recreate", map[string]any{})
	s.setFaults(sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectFail})
	s.send(http.StatusAccepted, http.MethodPost, "/minigroups", body("art-5a"), "Prefer", "wait=1")

	s.checkWhatTemporalHas()
	s.checkTheCodecServer()
	s.checkOps()
	s.checkAnAPIWithoutTheKey()

	s.must(s.temporal.Stop(t.Context()))
	stacktest.ReplaceTLS(t, s.options.TLS)
	stacktest.StartTemporalServer(t, s.options)
	s.setFaults()
	s.eventually(func() error {
		if o := s.send(http.StatusOK, http.MethodGet, byScope("art-5a"), nil); o.Status != "real-time" {
			return errors.New(o.Text)
		}
		return nil
	})
	s.eventually(func() error { // the API connects again a little later
		_, err := s.try(s.api, http.StatusCreated, http.MethodPost, "/minigroups", body("chess-1"))
		return err
	})
}

func (s *system) checkWhatTemporalHas() {
	raw := s.stored()
	for _, text := range personal {
		if strings.Contains(raw, text) {
			s.t.Errorf("Temporal has %q", text)
		}
	}
	if !strings.Contains(raw, "math-7b") || !strings.Contains(raw, "encryption-key-id") {
		s.t.Error("that is not what Temporal has of the runs")
	}
}

// checkTheCodecServer shows a history in Temporal's CLI, without and with the codec server of ops.
func (s *system) checkTheCodecServer() {
	temporal, err := stack.BuildTemporal(s.t.Context(), root, io.Discard)
	s.must(err)
	address, err := harness.FreeAddress()
	s.must(err)
	server := s.run("ops", []string{"-config", s.withKey, "codec-server", "--listen", address})
	s.must(server.Await(s.t.Context(), time.Minute, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			err = conn.Close()
		}
		return err
	}))
	show := []string{
		"workflow", "show", "--address", s.temporal.Address(), "--output", "json",
		"--workflow-id", workflows.WorkflowID(harness.Audience, "art-5a"),
	}
	if shown := s.payloads(s.output(temporal, show...)); strings.Contains(shown, personal[0]) {
		s.t.Error("without the codec server, the history shows the host")
	}
	shown := s.payloads(s.output(temporal, append(show, "--codec-endpoint", "http://"+address)...))
	if !strings.Contains(shown, personal[0]) {
		s.t.Errorf("with the codec server, the history shows %q", shown)
	}
}

// checkOps looks for what a run waits for, or for the key that is missing.
func (s *system) checkOps() {
	s.eventually(func() error {
		text := s.ops(s.withKey, "stuck", "--older-than", "0s")
		if !strings.Contains(text, "CreateConferenceRoom (") || !strings.Contains(text, "conference answered 503") {
			return errors.New(text)
		}
		return nil
	})
	const missing = `encrypted with the key "2026-11", which this program does not have`
	for _, args := range [][]string{{"stuck", "--older-than", "0s"}, {"show", harness.Audience, "art-5a"}} {
		text := s.ops(s.withoutKey, args...)
		if !strings.Contains(text, missing) || !strings.Contains(text, "art-5a") {
			s.t.Errorf("ops %s without the key: %s", args, text)
		}
	}
}

// checkAnAPIWithoutTheKey sends requests that need the run of a create, and that do not.
func (s *system) checkAnAPIWithoutTheKey() {
	s.run("api", []string{"-config", s.withoutKey}, s.apiWithoutKey+"/readyz")
	_, err := s.try(s.apiWithoutKey, http.StatusServiceUnavailable, http.MethodPost, "/minigroups", body("art-5a"))
	s.must(err)
	_, err = s.try(s.apiWithoutKey, http.StatusOK, http.MethodGet, byScope("art-5a"), nil)
	s.must(err)
}

var data = regexp.MustCompile(`"data": "([^"]*)"`)

// payloads returns the payloads of a history in JSON.
func (s *system) payloads(history string) (text string) {
	s.t.Helper()
	for _, match := range data.FindAllStringSubmatch(history, -1) {
		payload, err := base64.StdEncoding.DecodeString(match[1])
		s.must(err)
		text += string(payload) + "\n"
	}
	return text
}

// stored returns all that Temporal has of the runs: histories, memos, search attributes, summaries.
func (s *system) stored() string {
	s.t.Helper()
	certificates, err := s.options.TLS.Config()
	s.must(err)
	c, err := client.DialContext(s.t.Context(), client.Options{
		HostPort: s.temporal.Address(), Logger: harness.NopLogger{},
		ConnectionOptions: client.ConnectionOptions{TLS: certificates},
	})
	s.must(err)
	defer c.Close()
	var found *workflowservice.ListWorkflowExecutionsResponse
	s.eventually(func() (err error) { // runs are listed a little after they began
		found, err = c.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Namespace: "default", Query: "MinigroupAudience = '" + harness.Audience + "'",
		})
		if err == nil && len(found.GetExecutions()) < 4 {
			err = fmt.Errorf("Temporal lists %d runs", len(found.GetExecutions()))
		}
		return err
	})
	var text []byte // the encoding keeps texts as they are
	add := func(message proto.Message) {
		text, err = proto.MarshalOptions{}.MarshalAppend(text, message)
		s.must(err)
	}
	for _, run := range found.GetExecutions() {
		id, runID := run.GetExecution().GetWorkflowId(), run.GetExecution().GetRunId()
		described, err := c.DescribeWorkflowExecution(s.t.Context(), id, runID)
		s.must(err)
		add(described)
		const all = enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT
		for events := c.GetWorkflowHistory(s.t.Context(), id, runID, false, all); events.HasNext(); {
			event, err := events.Next()
			s.must(err)
			add(event)
		}
	}
	return string(text)
}
