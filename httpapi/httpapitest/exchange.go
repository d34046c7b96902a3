package httpapitest

import "net/http"

// Exchange is one request and its answer, as a line of JSON in what the tests of httpapi record (flag -exchanges).
type Exchange struct {
	Test     string // that sent it
	Request  Request
	Response Response
}

// Request is what was sent.
type Request struct {
	Method, URL string
	Header      http.Header
	Body        []byte
}

// Response is what was answered.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}
