package janus_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/minigroup"
)

const (
	// eventWithCode and createdWithCode are replies of the plugin, formatted with a transaction and an error code.
	eventWithCode   = `{"janus":"success","transaction":%q,"response":{"videoroom":"event","error_code":%d}}`
	createdWithCode = `{"janus":"success","transaction":%q,"response":{"videoroom":"created","error_code":%d}}`
)

// gatewayError is an error of the gateway for the transaction $t.
func gatewayError(code int, reason string) string {
	return fmt.Sprintf(`{"janus":"error","transaction":"$t","error":{"code":%d,"reason":%q}}`, code, reason)
}

// pluginError is an error of the plugin for the transaction $t.
func pluginError(code int, text string) string {
	return fmt.Sprintf(
		`{"janus":"success","transaction":"$t","response":{"videoroom":"event","error_code":%d,"error":%q}}`, code, text)
}

func TestReplies(t *testing.T) {
	for _, test := range []struct {
		name, reply, want, typ string
		fit                    bool // the error may be that of a gateway that works
	}{
		{
			name: "a secret in a reason", want: clientstest.NotDone, typ: "454",
			reply: `{"janus":"error","error":{"code":454,"reason":"JSON error: near 'admin-secret admin-key'"}}`,
		},
		{name: "an error of a transport", reply: gatewayError(450, "Transport"), want: clientstest.NotDone, typ: "450"},
		{name: "an unknown request", reply: gatewayError(457, "Unhandled request"), want: clientstest.NotDone, typ: "457"},
		{name: "an unknown plugin", reply: gatewayError(460, "No such plugin"), want: clientstest.NotDone, typ: "460"},
		{
			name: "an unknown error of the gateway", want: clientstest.MaybeDone, fit: true, typ: "490",
			reply: gatewayError(490, "Unknown"),
		},
		{
			name: "a gateway that accepts no sessions", want: clientstest.MaybeDone, fit: true, typ: "472",
			reply: gatewayError(472, "Not accepting"),
		},
		{
			name: "an unknown error of the plugin", want: clientstest.MaybeDone, fit: true, typ: "499",
			reply: pluginError(499, "Unknown"),
		},
		{name: "a missing element", reply: pluginError(429, "Missing"), want: clientstest.NotDone, typ: "429"},
		{name: "an invalid element", reply: pluginError(430, "Invalid"), want: clientstest.NotDone, typ: "430"},
		{
			name: "an unknown request to the plugin", want: clientstest.NotDone, typ: "423",
			reply: pluginError(423, "Unknown request"),
		},
		{
			name: "another transaction", want: clientstest.MaybeDone,
			reply: `{"janus":"success","transaction":"x","response":{"videoroom":"created"}}`,
		},
		{
			name: "another videoroom", want: clientstest.MaybeDone,
			reply: `{"janus":"success","transaction":"$t","response":{"videoroom":"event"}}`,
		},
		{name: "no videoroom", reply: `{"janus":"success","transaction":"$t"}`, want: clientstest.MaybeDone},
		{
			name: "an acknowledgement", want: clientstest.MaybeDone,
			reply: `{"janus":"ack","transaction":"$t","response":{"videoroom":"created"}}`,
		},
		{
			name: "a wrong admin_secret", want: clientstest.NotDone, typ: "403",
			reply: gatewayError(403, "Unauthorized request (wrong or missing secret/token)"),
		},
		{
			name: "a wrong admin_key", want: clientstest.NotDone, typ: "433",
			reply: pluginError(433, "Unauthorized (wrong admin_key)"),
		},
		{
			name: "a room with a number", want: clientstest.MaybeDone,
			reply: `{"janus":"success","transaction":"$t","response":{"videoroom":"created","list":[{"room":1}]}}`,
		},
		{name: "an empty object", reply: `{}`, want: clientstest.MaybeDone},
		{name: "HTML", reply: `<html>`, want: clientstest.MaybeDone},
	} {
		t.Run(test.name+" is "+test.want, func(t *testing.T) {
			failed := reserveFrom(t, func(w http.ResponseWriter, transaction, _ string) {
				_, _ = io.WriteString(w, strings.ReplaceAll(test.reply, "$t", transaction))
			})
			if clientstest.Verdict(failed) != test.want || failed.Type != test.typ || failed.Status != 200 ||
				failed.Unfit == test.fit {
				t.Errorf("%+v", failed)
			}
		})
	}

	for status, want := range map[int]string{
		201: clientstest.MaybeDone, 302: clientstest.MaybeDone, 400: clientstest.MaybeDone, 401: clientstest.NotDone,
		403: clientstest.NotDone, 404: clientstest.NotDone, 405: clientstest.NotDone, 500: clientstest.MaybeDone,
		502: clientstest.MaybeDone,
	} {
		t.Run(fmt.Sprintf("status %d is unfit and %s, and the error contains no secret", status, want), func(t *testing.T) {
			failed := reserveFrom(t, func(w http.ResponseWriter, _, request string) {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "sent: "+request)
			})
			if clientstest.Verdict(failed) != want || !failed.Unfit || failed.Status != status ||
				strings.Contains(failed.Error(), config.AdminSecret) || strings.Contains(failed.Error(), config.AdminKey) {
				t.Errorf("%+v", failed)
			}
		})
	}

	t.Run("a gateway that does not answer is not unfit", func(t *testing.T) {
		failed := reserveFrom(t, func(http.ResponseWriter, string, string) { panic(http.ErrAbortHandler) })
		if clientstest.Verdict(failed) != clientstest.MaybeDone || failed.Unfit || failed.Status != 0 {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a reply that is cut short is not unfit", func(t *testing.T) {
		failed := reserveFrom(t, func(w http.ResponseWriter, _, _ string) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"janus":`)
		})
		if clientstest.Verdict(failed) != clientstest.MaybeDone || failed.Unfit {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a gateway that is misconfigured between create and edit is unfit, and maybe done", func(t *testing.T) {
		codes := []int{427, 430}
		failed := reserveFrom(t, func(w http.ResponseWriter, transaction, _ string) {
			_, _ = fmt.Fprintf(w, eventWithCode, transaction, codes[0])
			codes = codes[1:]
		})
		if clientstest.Verdict(failed) != clientstest.MaybeDone || !failed.Unfit || failed.Type != "430" {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a room that is destroyed after every create is created at most three times", func(t *testing.T) {
		var requests []string
		failed := reserveFrom(t, func(w http.ResponseWriter, transaction, request string) {
			code := 426
			if strings.Contains(request, `"request":"create"`) {
				code = 427
			}
			requests = append(requests, request)
			_, _ = fmt.Fprintf(w, eventWithCode, transaction, code)
		})
		if len(requests) != 6 || clientstest.Verdict(failed) != clientstest.MaybeDone || failed.Type != "426" {
			t.Errorf("%d requests, %+v", len(requests), failed)
		}
	})

	t.Run("a call whose gateway fails between create and edit is maybe done", func(t *testing.T) {
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var envelope struct{ Transaction string }
			if err := json.NewDecoder(r.Body).Decode(&envelope); err != nil {
				t.Error(err)
			}
			_ = server.Listener.Close()
			w.Header().Set("Connection", "close")
			_, _ = fmt.Fprintf(w, eventWithCode, envelope.Transaction, 427)
		}))
		defer server.Close()
		backend := minigroup.Backend{ID: "janus-1", AdminURL: server.URL}
		err := newClient(t, config).Reserve(bounded(t, 10*time.Second), backend, uuid.New(), 8, description)
		failed := failure(t, err)
		if clientstest.Verdict(failed) != clientstest.MaybeDone || !errors.Is(failed, syscall.ECONNREFUSED) {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a room that is destroyed before its edit is created again", func(t *testing.T) {
		codes := []int{427, 426, 0}
		failed := reserveFrom(t, func(w http.ResponseWriter, transaction, _ string) {
			_, _ = fmt.Fprintf(w, createdWithCode, transaction, codes[0])
			codes = codes[1:]
		})
		if failed != nil || len(codes) != 0 {
			t.Errorf("%v left, %+v", codes, failed)
		}
	})
}

// reserveFrom calls Reserve on a gateway whose replies handle writes, and returns the error.
func reserveFrom(
	t *testing.T, handle func(w http.ResponseWriter, transaction, request string),
) *minigroup.UpstreamError {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		var envelope struct{ Transaction string }
		if err == nil {
			err = json.Unmarshal(request, &envelope)
		}
		if err != nil || envelope.Transaction == "" {
			t.Errorf("%s: %v", request, err)
		}
		handle(w, envelope.Transaction, string(request))
	}))
	defer server.Close()
	backend := minigroup.Backend{ID: "janus-1", AdminURL: server.URL}
	err := newClient(t, config).Reserve(bounded(t, 10*time.Second), backend, uuid.New(), 8, description)
	return failure(t, err)
}
