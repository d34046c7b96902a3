package httpapi

import (
	"fmt"
	"mime"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
	"minigroups/telemetry"
)

// requesterOf returns the account of an authenticated request, with the ids of the request, for the history of a class.
func requesterOf(c *gin.Context, reason string) minigroup.Requester {
	ctx := c.Request.Context()
	return minigroup.Requester{
		Account: minigroup.Account(accountOf(c)), Reason: reason,
		RequestID: telemetry.RequestID(ctx), TraceID: telemetry.TraceID(ctx),
	}
}

// readReason returns the reason in the body of a request that needs no body: {"reason": "…"}. It is empty without one,
// and if the body is not declared to be JSON.
func readReason(c *gin.Context) (string, error) {
	mediaType, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if mediaType != "application/json" || c.Request.ContentLength == 0 {
		return "", nil
	}
	body, err := readBody(c)
	if err != nil || len(body) == 0 {
		return "", err
	}
	d, err := newDecoder(body)
	if err != nil {
		return "", err
	}
	reason := d.text("reason")
	if reason == nil {
		return "", d.finish(nil)
	}
	if utf8.RuneCountInString(*reason) > minigroup.MaxReason {
		d.fail("reason", fmt.Sprintf("may have at most %d characters", minigroup.MaxReason))
	}
	return *reason, d.finish(nil)
}
