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
// exchange against openapi.yaml, so that no OpenAPI library is among the requirements of this module.
var exchangesFile = flag.String("exchanges", "", "`file` to which every exchange is appended, as lines of JSON")

// openExchanges opens the file once for all tests.
var openExchanges = sync.OnceValues(func() (*os.File, error) {
	return os.OpenFile(*exchangesFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
})

// record appends an exchange to the file, if the flag names one.
func record(t *testing.T, req *http.Request, body string, resp *http.Response, answer []byte) {
	t.Helper()
	if *exchangesFile == "" {
		return
	}
	line, err := json.Marshal(httpapitest.Exchange{
		Test: t.Name(),
		Request: httpapitest.Request{
			Method: req.Method, URL: req.URL.String(), Header: req.Header, Body: []byte(body),
		},
		Response: httpapitest.Response{Status: resp.StatusCode, Header: resp.Header, Body: answer},
	})
	mustNot(t, err)
	file, err := openExchanges()
	mustNot(t, err)
	// One write to a file in append mode is never mixed with another.
	_, err = file.Write(append(line, '\n'))
	mustNot(t, err)
}
