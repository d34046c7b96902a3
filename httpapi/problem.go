package httpapi

import (
	"cmp"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/minigroup"
)

// problemKind is how a kind of error is presented to callers.
type problemKind struct {
	status int
	title  string
	// transient means that the same request may succeed later although nothing else is done. So does an error with a
	// RetryAfter of its own.
	transient bool
	// retryAfter is the Retry-After header if the error has none of its own; 0 sends no header.
	retryAfter time.Duration
}

// problems has an entry for every kind of error.
var problems = map[minigroup.Kind]problemKind{
	minigroup.InvalidPayload:        {status: http.StatusBadRequest, title: "Invalid request"},
	minigroup.NoAuthenticationToken: {status: http.StatusUnauthorized, title: "Authentication required"},
	minigroup.InvalidAuthentication: {status: http.StatusUnauthorized, title: "Invalid token"},
	minigroup.AccessDenied:          {status: http.StatusForbidden, title: "Access denied"},
	minigroup.AuthorizationFailed: {
		status: http.StatusUnprocessableEntity, title: "Authorization unavailable",
		transient: true, retryAfter: 5 * time.Second,
	},
	minigroup.ClassNotFound:           {status: http.StatusNotFound, title: "Minigroup not found"},
	minigroup.ClassPropertyNotFound:   {status: http.StatusNotFound, title: "Property not found"},
	minigroup.AccountPropertyNotFound: {status: http.StatusNotFound, title: "Property not found"},
	minigroup.RouteNotFound:           {status: http.StatusNotFound, title: "Route not found"},
	minigroup.MethodNotAllowed:        {status: http.StatusMethodNotAllowed, title: "Method not allowed"},
	minigroup.NotAcceptable:           {status: http.StatusNotAcceptable, title: "Not acceptable"},
	minigroup.AlreadyEstablished:      {status: http.StatusConflict, title: "Minigroup already exists"},
	minigroup.IdempotencyKeyReused:    {status: http.StatusUnprocessableEntity, title: "Idempotency key reused"},
	minigroup.OperationInProgress: {
		status: http.StatusConflict, title: "Operation in progress",
		transient: true, retryAfter: 2 * time.Second,
	},
	minigroup.NotReady:                {status: http.StatusConflict, title: "Minigroup not ready"},
	minigroup.Closed:                  {status: http.StatusConflict, title: "Minigroup closed"},
	minigroup.NotClosed:               {status: http.StatusConflict, title: "Minigroup not closed"},
	minigroup.RetryNotPossible:        {status: http.StatusConflict, title: "Retry not possible"},
	minigroup.OperationCancelled:      {status: http.StatusConflict, title: "Operation cancelled"},
	minigroup.PreconditionFailed:      {status: http.StatusPreconditionFailed, title: "Precondition failed"},
	minigroup.PayloadTooLarge:         {status: http.StatusRequestEntityTooLarge, title: "Payload too large"},
	minigroup.UnsupportedMediaType:    {status: http.StatusUnsupportedMediaType, title: "Unsupported media type"},
	minigroup.UpstreamRefused:         {status: http.StatusUnprocessableEntity, title: "Upstream refused"},
	minigroup.RoomTimeChangeForbidden: {status: http.StatusUnprocessableEntity, title: "Room time cannot be changed"},
	minigroup.UpstreamUnavailable: {
		status: http.StatusServiceUnavailable, title: "Upstream unavailable",
		transient: true, retryAfter: 30 * time.Second,
	},
	minigroup.CapacityExceeded: {status: http.StatusServiceUnavailable, title: "Not enough free slots"},
	minigroup.TooManyRequests: {
		status: http.StatusTooManyRequests, title: "Too many requests",
		transient: true, retryAfter: time.Second,
	},
	minigroup.ServiceUnavailable: {
		status: http.StatusServiceUnavailable, title: "Service unavailable",
		transient: true, retryAfter: 5 * time.Second,
	},
	// The request is not at fault and succeeds after an operator has acted. Clients repeat requests for a shorter time.
	minigroup.ServiceMisconfigured: {status: http.StatusServiceUnavailable, title: "Service misconfigured"},
}

// titleOf returns the title of a kind, or the kind itself if it is unknown: a stored failure may have a retired kind.
func titleOf(kind minigroup.Kind) string {
	return cmp.Or(problems[kind].title, string(kind))
}

// fail replies with the problem for err. An error that is not a known *minigroup.Error is reported to the caller as
// service_unavailable and logged. A ServiceUnavailable or ServiceMisconfigured is logged too if it wraps a cause that
// the caller does not see.
func (s *server) fail(c *gin.Context, err error) {
	public := serviceUnavailable()
	var e *minigroup.Error
	if errors.As(err, &e) {
		if _, known := problems[e.Kind]; known {
			public = e
		}
	}
	ours := public.Kind == minigroup.ServiceUnavailable || public.Kind == minigroup.ServiceMisconfigured
	if ours && err.Error() != public.Error() {
		s.logCause(c, err)
	}
	writeProblem(c, public)
}

// isKind reports whether err is a *minigroup.Error of this kind.
func isKind(err error, kind minigroup.Kind) bool {
	var e *minigroup.Error
	return errors.As(err, &e) && e.Kind == kind
}

func (s *server) logCause(c *gin.Context, err error) {
	log := s.log(c)
	write := log.Error
	if c.Request.Context().Err() != nil {
		write = log.Info // the caller closed the connection, which cancels its request
	}
	write("request failed", zap.String("route", c.FullPath()), zap.Error(err))
}

func serviceUnavailable() *minigroup.Error {
	return minigroup.Errorf(minigroup.ServiceUnavailable,
		"the request could not be processed; the same request may be sent again")
}

func writeProblem(c *gin.Context, e *minigroup.Error) {
	kind := problems[e.Kind]
	if kind.status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", challenge(e.Kind))
	}
	if wait := cmp.Or(e.RetryAfter, kind.retryAfter); wait > 0 {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	problem := problemObject{
		Type:        string(e.Kind),
		Title:       kind.title,
		Status:      kind.status,
		Detail:      e.Detail,
		Instance:    c.Request.URL.EscapedPath(),
		RequestID:   requestIDOf(c),
		IsTransient: kind.transient || e.RetryAfter > 0,
		Upstream:    toUpstreamObject(e.Upstream, e.UpstreamType),
	}
	for _, f := range e.Fields {
		problem.Errors = append(problem.Errors, fieldErrorObject(f))
	}
	c.Set(problemKey, string(e.Kind))
	c.Abort()
	_ = replyAs(c, kind.status, problemType, problem) // a problemObject can always be encoded
}
