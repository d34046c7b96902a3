package ops

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"

	"minigroups/cmd/internal/process"
	"minigroups/config"
	"minigroups/stack"
)

// encryption writes a key and returns the settings that encrypt with it, as variables too.
func encryption(t *testing.T) (cfg config.Temporal, environ []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "1.key")
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Temporal{EncryptionKeyFiles: []string{file}, EncryptionKey: "1"},
		[]string{config.Variable("temporal.encryption_key_files") + "=[" + file + "]"}
}

// TestTheCodecServerDecodes needs neither a database nor Temporal.
func TestTheCodecServerDecodes(t *testing.T) {
	port, err := stack.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cfg, environ := encryption(t)
	codec, err := process.NewCodec(cfg)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := codec.DataConverter().ToPayload("teacher.example.org")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	var out, errs bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"codec-server", "--listen", address}, environ, &out, &errs) }()
	remote := converter.NewRemoteDataConverter(converter.GetDefaultDataConverter(),
		converter.RemoteDataConverterOptions{Endpoint: "http://" + address})
	var host string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = remote.FromPayload(payload, &host); err == nil {
			break
		}
	}
	if err != nil || host != "teacher.example.org" {
		t.Errorf("got %q, %v", host, err)
	}
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("it ended with %d: %s", code, &errs)
	}
	if !strings.Contains(errs.String(), "http://"+address+" for pages of http://127.0.0.1:8233") {
		t.Errorf("it says %q", &errs)
	}
}

func TestTheCodecServerNeedsAKey(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"codec-server"}, nil, &out, &errs)
	if code != exitFailure || !strings.Contains(errs.String(), "temporal.encryption_key_files") {
		t.Errorf("%d: %s", code, &errs)
	}
}

func TestOnlyPagesOfTheUIDecode(t *testing.T) {
	cfg, _ := encryption(t)
	codec, err := process.NewCodec(cfg)
	if err != nil {
		t.Fatal(err)
	}
	const ui = "https://temporal.example.org"
	handler := decodeFor([]string{ui}, converter.NewPayloadCodecHTTPHandler(codec))
	for _, c := range []struct {
		method, origin string
		code           int
		allowed        string
	}{
		{method: http.MethodOptions, origin: ui, code: http.StatusNoContent, allowed: ui},
		{method: http.MethodPost, origin: ui, code: http.StatusOK, allowed: ui},
		{method: http.MethodPost, origin: "", code: http.StatusOK},
		{method: http.MethodPost, origin: "https://elsewhere.example.org", code: http.StatusForbidden},
		{method: http.MethodPost, origin: "null", code: http.StatusForbidden},
		{method: http.MethodOptions, origin: "https://elsewhere.example.org", code: http.StatusForbidden},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/decode", strings.NewReader(`{"payloads": []}`))
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.code || w.Header().Get("Access-Control-Allow-Origin") != c.allowed {
			t.Errorf("%s from %q: %d, %v", c.method, c.origin, w.Code, w.Header())
		}
	}
	w := httptest.NewRecorder()
	body := strings.NewReader(`{"payloads": [{"data": "` + strings.Repeat("A", maxPayloads) + `"}]}`)
	handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/decode", body))
	if w.Code != http.StatusBadRequest {
		t.Errorf("a large request: %d", w.Code)
	}
}
