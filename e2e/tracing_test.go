package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"minigroups/sandbox"
	"minigroups/stack"
)

// instrumented is an API and a worker on a task queue of their own, configured so that every metric, span and log line
// exists: with a receiver of spans, a broker, and a tenant and an issuer with URLs (which do not answer).
type instrumented struct {
	api, worker      *stack.Process
	url              string
	metricsAddresses [2]string // of API and worker
	mu               sync.Mutex
	spans            []span
	unauthorized     int
}

// span is a received span, with the name of the process that sent it.
type span struct {
	*tracepb.Span
	service string
}

func startInstrumented(t *testing.T) *instrumented {
	t.Helper()
	o := &instrumented{}
	receiver := httptest.NewServer(http.HandlerFunc(o.receive))
	t.Cleanup(receiver.Close)
	ports, err := freePorts(3)
	if err != nil {
		t.Fatal(err)
	}
	address := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	o.url, o.metricsAddresses = "http://"+address(0), [2]string{address(1), address(2)}
	name := strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())
	issuer := sut.cfg.Authentication["iam.example.org"]
	env := []string{
		"MINIGROUPS_TEMPORAL__TASK_QUEUE=" + strings.ToLower(name),
		"MINIGROUPS_API__LISTEN=" + address(0), "MINIGROUPS_API__METRICS_LISTEN=" + address(1),
		"MINIGROUPS_WORKER__METRICS_LISTEN=" + address(2),
		"MINIGROUPS_TRACING__ENDPOINT=" + receiver.URL + "/v1/traces",
		"MINIGROUPS_TRACING__HEADERS={x-token: receivers-token}",
		"MINIGROUPS_MQTT__BROKER=" + sut.broker.URL(), "MINIGROUPS_MQTT__CLIENT_ID=" + sut.cfg.Account.AgentID(name),
		"MINIGROUPS_AUTHORIZATION={example.org: {kind: local, trusted: [dev.example.org]}, " +
			"remote.example.org: {kind: http, uri: 'http://127.0.0.1:1/'}}",
		"MINIGROUPS_AUTHENTICATION={iam.example.org: {audiences: [example.org], algorithm: ES256, " +
			"public_key_file: " + issuer.PublicKeyFile + "}, " +
			"remote.example.org: {audiences: [x], algorithm: ES256, jwks_url: 'http://127.0.0.1:1/'}}",
		"OTEL_BSP_SCHEDULE_DELAY=100",
	}
	start := func(program string) *stack.Process {
		p, err := sut.program(t.Context(), name+"-"+program, program, sut.configFile, env...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := p.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
		return p
	}
	o.worker, o.api = start("worker"), start("api")
	if err := o.api.AwaitHTTP(t.Context(), time.Minute, o.url+"/readyz"); err != nil {
		t.Fatal(err)
	}
	if err := o.worker.AwaitHTTP(t.Context(), time.Minute, "http://"+o.metricsAddresses[1]+"/metrics"); err != nil {
		t.Fatal(err)
	}
	return o
}

// receive accepts spans, as a collector does.
func (o *instrumented) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &sent)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Header.Get("X-Token") != "receivers-token" {
		o.unauthorized++
	}
	for _, of := range sent.ResourceSpans {
		service := ""
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				o.spans = append(o.spans, span{s, service})
			}
		}
	}
}

// trace returns the spans of a trace by name, and the set of their ids.
func (o *instrumented) trace(trace string) (named map[string][]span, ids map[string]bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	named, ids = map[string][]span{}, map[string]bool{}
	for _, s := range o.spans {
		if hex.EncodeToString(s.TraceId) == trace {
			named[s.Name] = append(named[s.Name], s)
			ids[string(s.SpanId)] = true
		}
	}
	return named, ids
}

// post creates the class with the instrumented processes.
func (o *instrumented) post(t *testing.T, c *class, headers ...string) {
	t.Helper()
	body, err := json.Marshal(c.body)
	if err != nil {
		t.Fatal(err)
	}
	url := o.url + "/api/v1/minigroups?access_token=not-this-one"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+sut.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if text, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusCreated {
		t.Fatalf("got %d: %s", res.StatusCode, text)
	}
}

func TestOnePostIsOneTrace(t *testing.T) {
	o, c := startInstrumented(t), newClass(t)
	c.setFault(sut.event, sandbox.Fault{Operation: sandbox.OperationCreate, Do: sandbox.EffectFail, Times: 1})
	const trace, caller, request = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "one-post"
	o.post(t, c, "Traceparent", "00-"+trace+"-"+caller+"-01", "Baggage", "secret=in-the-baggage", "X-Request-Id", request)
	wanted := map[string]string{ // span ─► the process that sends it
		"POST /api/v1/minigroups":       "minigroups-api",
		"StartWorkflow:CreateMinigroup": "minigroups-api",
		"RunWorkflow:CreateMinigroup":   "minigroups-worker",
		"RunActivity:CreateEventRoom":   "minigroups-worker",
		"RunActivity:BeginCreate":       "minigroups-worker",
		"create event room":             "minigroups-worker",
		"create conference room":        "minigroups-worker",
		"SELECT":                        "minigroups-api",
		"UPDATE":                        "minigroups-worker",
	}
	eventually(t, func() error {
		named, _ := o.trace(trace)
		for name, service := range wanted {
			isOfService := func(s span) bool { return s.service == service }
			if !slices.ContainsFunc(named[name], isOfService) {
				return fmt.Errorf("no span %q of %s among %v", name, service, keys(named))
			}
		}
		return nil
	})
	named, ids := o.trace(trace)
	if failed := named["create event room"]; len(failed) != 2 {
		t.Errorf("there are %d spans of requests to event, want 2", len(failed))
	}
	secrets := secretsOf(t, newClass(t))
	for _, spans := range named {
		for _, s := range spans {
			if !ids[string(s.ParentSpanId)] && hex.EncodeToString(s.ParentSpanId) != caller {
				t.Errorf("span %s has an unknown parent", s.Name)
			}
			text := s.String()
			for _, name := range findSecrets(text, secrets) {
				t.Errorf("span %s contains %s: %s", s.Name, name, text)
			}
			for _, private := range []string{"in-the-baggage", "not-this-one", "teacher.example.org", "access_token"} {
				if strings.Contains(text, private) {
					t.Errorf("span %s contains %q: %s", s.Name, private, text)
				}
			}
		}
	}
	if o.unauthorized > 0 {
		t.Error("spans came without the configured header")
	}
	t.Run("the log lines have its ids", func(t *testing.T) {
		want := map[string]any{"request_id": request, "trace_id": trace, "class_id": c.id.String()}
		line := findLine(t, o.api, "request", request)
		for key, value := range want {
			if line[key] != value {
				t.Errorf("the access log has %s=%v", key, line[key])
			}
		}
		line = findLine(t, o.worker, "step attempt failed", request)
		for key, value := range map[string]any{
			"step": "create_event_room", "phase": "local", "attempt": 1.0, "workflow_id": c.workflowID(),
		} {
			want[key] = value
		}
		for key, value := range want {
			if line[key] != value {
				t.Errorf("the worker's log has %s=%v, want %v", key, line[key], value)
			}
		}
		if line["error"] == nil || line["run_id"] == nil {
			t.Errorf("error or run_id is missing: %v", line)
		}
	})
}

func keys[V any](m map[string]V) (out []string) {
	for key := range m {
		out = append(out, key)
	}
	return out
}

// findLine waits until a log has a line with this message and request id, and returns it. A second such line fails the
// test.
func findLine(t *testing.T, p *stack.Process, message, request string) (found map[string]any) {
	t.Helper()
	eventually(t, func() error {
		text, err := os.ReadFile(p.LogPath())
		if err != nil {
			return err
		}
		found = nil
		lines := bufio.NewScanner(bytes.NewReader(text))
		for lines.Scan() {
			var line map[string]any
			if json.Unmarshal(lines.Bytes(), &line) != nil || line["msg"] != message || line["request_id"] != request {
				continue
			}
			if found != nil {
				t.Fatalf("logged twice: %s", lines.Text())
			}
			found = line
		}
		if found == nil {
			return fmt.Errorf("no line %q of request %s in\n%s", message, request, text)
		}
		return nil
	})
	return found
}
