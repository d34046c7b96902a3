package load

import "github.com/valyala/fasthttp"

// Once sends one request. It returns the status of the response, 0 if there is none, and a description of it.
func Once(t Target, work Work) (status int, response string) {
	client := t.client(1)
	defer client.CloseIdleConnections()
	request, reply := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(request)
	defer fasthttp.ReleaseResponse(reply)
	t.prepare(request, work)
	if err := client.Do(request, reply); err != nil {
		return 0, err.Error()
	}
	return reply.StatusCode(), describe(reply, nil)
}
