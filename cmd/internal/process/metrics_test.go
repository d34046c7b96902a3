package process

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap/zapcore"

	"minigroups/telemetry"
)

func TestOnlyLocalRequestsChangeTheLogLevel(t *testing.T) {
	log, err := telemetry.NewLog("test", "info")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	handler := metricsHandler(&Signals{Log: log}, nil)
	for name, c := range map[string]struct {
		method, from, to, host string
		want                   int
		level                  zapcore.Level
	}{
		"this machine": {
			method: http.MethodPut, from: "127.0.0.1:5", to: "127.0.0.1:9090", host: "127.0.0.1:9090",
			want: http.StatusOK, level: zapcore.DebugLevel,
		},
		"this machine, by name and over IPv6": {
			method: http.MethodPut, from: "[::1]:5", to: "[::1]:9090", host: "localhost:9090",
			want: http.StatusOK, level: zapcore.DebugLevel,
		},
		"another machine": {
			method: http.MethodPut, from: "10.0.0.2:5", to: "10.0.0.1:9090", host: "10.0.0.1:9090",
			want: http.StatusForbidden, level: zapcore.InfoLevel,
		},
		"another machine that names a local host": {
			method: http.MethodPut, from: "10.0.0.2:5", to: "10.0.0.1:9090", host: "localhost:9090",
			want: http.StatusForbidden, level: zapcore.InfoLevel,
		},
		"another machine, through the proxy of a service mesh": {
			method: http.MethodPut, from: "127.0.0.6:5", to: "10.0.0.1:9090", host: "localhost:9090",
			want: http.StatusForbidden, level: zapcore.InfoLevel,
		},
		"a page whose name resolves to this machine": {
			method: http.MethodPut, from: "127.0.0.1:5", to: "127.0.0.1:9090", host: "page.example.org:9090",
			want: http.StatusForbidden, level: zapcore.InfoLevel,
		},
		"a request without a host": {
			method: http.MethodPut, from: "127.0.0.1:5", to: "127.0.0.1:9090",
			want: http.StatusForbidden, level: zapcore.InfoLevel,
		},
		"another machine that only reads": {
			method: http.MethodGet, from: "10.0.0.2:5", to: "10.0.0.1:9090", host: "10.0.0.1:9090",
			want: http.StatusOK, level: zapcore.InfoLevel,
		},
	} {
		t.Run(name, func(t *testing.T) {
			log.Level.SetLevel(zapcore.InfoLevel)
			to, err := net.ResolveTCPAddr("tcp", c.to)
			if err != nil {
				t.Fatal(err)
			}
			ctx := context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(to))
			req := httptest.NewRequestWithContext(ctx, c.method, "/log/level", strings.NewReader(`{"level":"debug"}`))
			req.RemoteAddr, req.Host = c.from, c.host
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			if level := log.Level.Level(); w.Code != c.want || level != c.level {
				t.Errorf("got %d, and the level is %s; want %d and %s", w.Code, level, c.want, c.level)
			}
		})
	}
}

// TestNoHandlerOfTheMetricsPortAcceptsChangesFromElsewhere covers handlers that are added later.
func TestNoHandlerOfTheMetricsPortAcceptsChangesFromElsewhere(t *testing.T) {
	handler := readOnlyFromElsewhere(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for method, want := range map[string]int{
		http.MethodGet: http.StatusOK, http.MethodHead: http.StatusOK,
		http.MethodPost: http.StatusForbidden, http.MethodPut: http.StatusForbidden,
		http.MethodPatch: http.StatusForbidden, http.MethodDelete: http.StatusForbidden,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", method, w.Code, want)
		}
	}
}
