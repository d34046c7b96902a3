package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"

	"minigroups/sandbox"
)

// network carries the requests of one process to the services.
type network struct {
	*process
}

// mistakes are how a request to a service can go wrong.
var mistakes = []way{
	{callsFail, "not connected", fail},
	{servicesMisbehave, "refused", refused},
	{servicesMisbehave, "failed", failed},
	{servicesMisbehave, "executed, and no reply is sent", executedUnanswered},
	{servicesMisbehave, "hangs", hangs},
}

// effects are what a service does.
var effects = map[outcome]sandbox.Effect{
	refused: sandbox.EffectRefuse, failed: sandbox.EffectFail, executedUnanswered: sandbox.EffectLoseReply,
	hangs: sandbox.EffectHang,
}

// RoundTrip implements http.RoundTripper. The service executes the request when the scheduler says so. A service stops
// working on a request whose client is gone; what it has done by then stays.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	name := fmt.Sprintf("%s %s%s", r.Method, r.URL.Host, r.URL.Path)
	decided, err := n.sched.wait(r.Context(), n.process, "send "+name, mistakes...)
	if err != nil {
		if r.Context().Err() != nil && r.Method == http.MethodPatch {
			n.world.sendLate(r) // conference may execute it although nobody waits for the reply any more
		}
		return nil, fmt.Errorf("dial %s: %w", r.URL.Host, errors.Join(err, errNotSent))
	}
	if effect, ok := effects[decided]; ok {
		fault := sandbox.Fault{Operation: sandbox.OperationAny, Do: effect, Times: 1}
		if err := n.world.setFault(r.URL.Host, fault); err != nil { //nolint:contextcheck // no request of a process
			return nil, err
		}
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	reply, err := n.world.serve(r)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("reply %d to %s", reply.StatusCode, name)
	if _, err := n.sched.wait(r.Context(), n.process, what, way{callsFail, "reply lost", fail}); err != nil {
		return nil, fmt.Errorf("read the reply of %s: %w", r.URL.Host, io.ErrUnexpectedEOF)
	}
	return reply, nil
}

var errNotSent = errors.New("connection refused")

// handle lets a handler answer a request in memory.
func handle(h http.Handler, r *http.Request) (reply *http.Response, err error) {
	recorder := httptest.NewRecorder()
	defer func() {
		if e := recover(); e != nil {
			if e != http.ErrAbortHandler { //nolint:errorlint // a panic value
				panic(e)
			}
			err = io.ErrUnexpectedEOF
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RequestURI = r.URL.RequestURI()
	h.ServeHTTP(recorder, r)
	reply = recorder.Result()
	reply.Request = r
	return reply, nil
}

// answer is what a service answers to the simulation itself.
type answer struct {
	status int
	body   []byte
}

// ask sends a request of the simulation itself.
func ask(h http.Handler, method, path string, body []byte) (answer, error) {
	r, err := http.NewRequestWithContext(
		context.Background(), method, "http://simulation"+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	reply, err := handle(h, r)
	if err != nil {
		return answer{}, err
	}
	defer reply.Body.Close()
	read, err := io.ReadAll(reply.Body)
	return answer{reply.StatusCode, read}, err
}
