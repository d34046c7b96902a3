package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"minigroups/clients/rest"
)

func TestErrorText(t *testing.T) {
	errorOf := func(t *testing.T, status int, body string) (errorType, detail, text string) {
		t.Helper()
		failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})))
		return failed.Type, failed.Detail, failed.Error()
	}

	t.Run("contains the detail of a problem", func(t *testing.T) {
		errorType, detail, text := errorOf(t, 422, `{"type":"sold_out","title":"Sold out","detail":"No apples left"}`)
		if errorType != "sold_out" || detail != "No apples left" ||
			text != "buy: shop refused: sold_out (422): No apples left" {
			t.Errorf("%q, %q, %q", errorType, detail, text)
		}
	})

	t.Run("contains the title if there is no detail", func(t *testing.T) {
		errorType, detail, _ := errorOf(t, 422, `{"type":"sold_out","title":"Sold out","detail":""}`)
		if errorType != "sold_out" || detail != "Sold out" {
			t.Errorf("%q, %q", errorType, detail)
		}
	})

	t.Run("contains all of a body without a type", func(t *testing.T) {
		for _, body := range []string{`{"detail":"No apples left"}`, `{"type":5,"title":"x"}`} {
			if errorType, detail, _ := errorOf(t, 422, body); errorType != "" || detail != body {
				t.Errorf("%q, %q", errorType, detail)
			}
		}
	})

	t.Run("contains all of 300 characters", func(t *testing.T) {
		body := strings.Repeat("w", 300)
		if _, detail, _ := errorOf(t, 500, body); detail != body {
			t.Errorf("%q", detail)
		}
	})

	t.Run("contains plain text as one short line", func(t *testing.T) {
		_, detail, _ := errorOf(t, 500, "it\r\n\x00broke\x1b[31m \xff here"+strings.Repeat(" and there", 1000))
		if !strings.HasPrefix(detail, "it broke [31m here and there") || len([]rune(detail)) != 301 {
			t.Errorf("%d characters: %q", len([]rune(detail)), detail)
		}
	})

	t.Run("a long error type is cut", func(t *testing.T) {
		if errorType, _, _ := errorOf(t, 500, `{"type":"`+strings.Repeat("w", 10_000)+`"}`); len([]rune(errorType)) != 301 {
			t.Errorf("%d characters", len(errorType))
		}
	})

	t.Run("contains no secret that the service echoes", func(t *testing.T) {
		failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = fmt.Fprintf(w, "sent to us: %q %q ", r.Header["Authorization"], r.Header["Authorization"][0])
			_, _ = io.Copy(w, r.Body)
		})))
		text := failed.Error()
		for _, secret := range []string{"claims", "pass", "word"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, text)
			}
		}
		if strings.Count(text, "[secret]") != 3 {
			t.Error(text)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		header    string
		low, high time.Duration
	}{
		{"", 0, 0},
		{"7", 7 * time.Second, 7 * time.Second},
		{"0", 0, 0},
		{"-3", 0, 0},
		{"1.5", 0, 0},
		{"soon", 0, 0},
		{"3600", time.Hour, time.Hour},
		{"10000000000", time.Hour, time.Hour},
		{"9223372036854775807", time.Hour, time.Hour},
		{time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat), 5 * time.Minute, 10 * time.Minute},
		{time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		{time.Now().AddDate(100, 0, 0).UTC().Format(http.TimeFormat), time.Hour, time.Hour},
	} {
		t.Run(fmt.Sprintf("%q is within %v and %v", test.header, test.low, test.high), func(t *testing.T) {
			failed := post(t, newClient(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", test.header)
				w.WriteHeader(http.StatusServiceUnavailable)
			})))
			if failed.RetryAfter < test.low || failed.RetryAfter > test.high {
				t.Errorf("%v", failed.RetryAfter)
			}
		})
	}
}

func TestReadReply(t *testing.T) {
	for limit, fits := range map[int64]bool{4: false, 5: true, 6: true} {
		body, err := rest.ReadReply(&http.Response{Body: io.NopCloser(strings.NewReader("12345"))}, limit)
		if (err == nil) != fits || fits && string(body) != "12345" {
			t.Errorf("5 bytes of at most %d: got %q, %v", limit, body, err)
		}
	}
}

func TestErrorType(t *testing.T) {
	t.Run("nil has no type", func(t *testing.T) {
		if got := rest.ErrorType(nil); got != "" {
			t.Errorf("%q", got)
		}
	})
}
