package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"minigroups/stack"
)

func TestAnIdempotencyKeyReplaysTheFirstAnswer(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	const header = "Idempotency-Key"
	key := c.id.String()
	first := c.post(header, key).want(t, http.StatusCreated)
	c.put(map[string]any{"reserve": 3}).want(t, http.StatusOK)
	second := c.post(header, `"`+key+`"`).want(t, http.StatusCreated)
	hasHeaders := second.header.Get("Location") == c.path() && second.header.Get("ETag") == first.header.Get("ETag")
	if second.text != first.text || !hasHeaders {
		t.Errorf("first %s\nthen  %s %v", first.text, second.text, second.header)
	}
	if now := c.post().want(t, http.StatusOK); *now.Reserve != 3 {
		t.Errorf("without a key it is %s", now.text)
	}
	c.body["reserve"] = 9
	if r := c.post(header, key).want(t, http.StatusUnprocessableEntity); r.Type != "idempotency_key_reused" {
		t.Errorf("got %s", r.text)
	}
}

func TestAnUpdateWithIfMatch(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	created := c.post().want(t, http.StatusCreated).header.Get("ETag")
	r := request(t, http.MethodPut, c.byScope(), map[string]any{"reserve": 3}, "If-Match", created)
	updated := r.want(t, http.StatusOK).header.Get("ETag")
	r = c.put(map[string]any{"reserve": 4}, "If-Match", created).want(t, http.StatusPreconditionFailed)
	if r.Type != "precondition_failed" {
		t.Errorf("got %s", r.text)
	}
	if now := c.get(); *now.Reserve != 3 || now.Update != nil || now.header.Get("ETag") != updated {
		t.Errorf("got %s, ETag %s, want %s", now.text, now.header.Get("ETag"), updated)
	}
}

// anotherAPI starts an API process in addition to that of the system, with additional environment variables.
func anotherAPI(t *testing.T, name string, env ...string) (p *stack.Process, address string) {
	t.Helper()
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	env = append(env, "MINIGROUPS_API__LISTEN="+address, "MINIGROUPS_API__METRICS_LISTEN=127.0.0.1:0")
	p, err = sut.program(t.Context(), name, "api", sut.configFile, env...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() })
	if err := p.AwaitHTTP(t.Context(), time.Minute, "http://"+address+"/readyz"); err != nil {
		t.Fatal(err)
	}
	return p, address
}

func TestAStoppingAPIAnswersWaitingRequests(t *testing.T) {
	t.Parallel()
	p, address := anotherAPI(t, "ending-api")
	c := newClass(t)
	restore := c.setFault(sut.conference, createHangs)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := fmt.Sprintf(`{"scope": %q, "audience": "example.org", "host": "h"}`, c.scope)
	_, err = fmt.Fprintf(conn, "POST /api/v1/minigroups HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nPrefer: wait=60\r\nContent-Length: %d\r\n\r\n%s",
		sut.token, len(body), body)
	if err = errors.Join(err, conn.SetReadDeadline(time.Now().Add(30*time.Second))); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		d, err := sut.client.DescribeWorkflowExecution(t.Context(), c.workflowID(), "")
		if err == nil && d.GetWorkflowExecutionInfo().GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
			err = errors.New("no run is open")
		}
		return err
	})
	bounded, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := p.Stop(bounded); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(conn)
	text := string(answer)
	if err != nil || !strings.HasPrefix(text, "HTTP/1.1 202") {
		t.Errorf("got %q, %v", text, err)
	}
	for _, want := range []string{"Connection: close", "Location: " + c.path(), `"creating"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
	restore()
	c.assertComplete(c.awaitStatus("real-time").object)
}

func TestAStoppingAPIIsNotReadyForLoadBalancers(t *testing.T) {
	t.Parallel()
	p, address := anotherAPI(t, "draining-api", "MINIGROUPS_API__DRAIN_DELAY=60s")
	stopped := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { stopped <- p.Stop(ctx) }()
	eventually(t, func() error {
		ready, err := status(t, "http://"+address+"/readyz")
		if err == nil && ready != http.StatusServiceUnavailable {
			err = fmt.Errorf("/readyz says %d", ready)
		}
		return err
	})
	if alive, err := status(t, "http://"+address+"/healthz"); err != nil || alive != http.StatusOK {
		t.Errorf("/healthz says %d, %v", alive, err)
	}
	if err := p.Kill(); err != nil { // no need to wait for the whole drain delay
		t.Error(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
