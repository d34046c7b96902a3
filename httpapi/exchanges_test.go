package httpapi

import (
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"sync"
	"testing"

	"minigroups/httpapi/httpapitest"
)

// exchangesFile receives the exchanges of all tests. Package e2e/openapi runs these tests with it and validates each
// exchange against openapi.yaml. This module therefore needs no OpenAPI library.
var exchangesFile = flag.String("exchanges", "", "append every exchange to this `file`, as lines of JSON")

// openExchanges opens the file once for all tests.
var openExchanges = sync.OnceValues(func() (*os.File, error) {
	return os.OpenFile(*exchangesFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
})

// recordExchange appends an exchange to the file if the flag is set.
func recordExchange(t *testing.T, req *http.Request, body string, resp *http.Response, respBody []byte) {
	t.Helper()
	if *exchangesFile == "" {
		return
	}
	line, err := json.Marshal(httpapitest.Exchange{
		Test: t.Name(),
		Request: httpapitest.Request{
			Method: req.Method, URL: req.URL.String(), Header: req.Header, Body: []byte(body),
		},
		Response: httpapitest.Response{Status: resp.StatusCode, Header: resp.Header, Body: respBody},
	})
	noError(t, err)
	file, err := openExchanges()
	noError(t, err)
	// A single write in append mode is not interleaved with other writes.
	_, err = file.Write(append(line, '\n'))
	noError(t, err)
}
