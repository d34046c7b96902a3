package httpapitest

import "net/http"

// Exchange is one request with its response. The tests of httpapi record it as a line of JSON (flag -exchanges).
type Exchange struct {
	Test     string // the name of the test that sent the request
	Request  Request
	Response Response
}

// Request is the request of an exchange.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte
}

// Response is the response of an exchange.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}
