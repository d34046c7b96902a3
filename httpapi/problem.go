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

// problemKind is what callers are told about a kind of failure.
type problemKind struct {
	status int
	title  string
	// transient says that the same request may succeed later, without anybody changing anything.
	transient bool
	// retryAfter is told where the failure itself knows no better; 0 tells nothing.
	retryAfter time.Duration
}

// problems has a row for every kind of failure.
var problems = map[minigroup.Kind]problemKind{
	minigroup.InvalidPayload:          {http.StatusBadRequest, "The request has mistakes", false, 0},
	minigroup.NoAuthenticationToken:   {http.StatusUnauthorized, "The request has no token", false, 0},
	minigroup.InvalidAuthentication:   {http.StatusUnauthorized, "The token is not valid", false, 0},
	minigroup.AccessDenied:            {http.StatusForbidden, "The account may not do this", false, 0},
	minigroup.AuthorizationFailed:     {http.StatusUnprocessableEntity, "It could not be found out whether the account may do this", true, 5 * time.Second},
	minigroup.ClassNotFound:           {http.StatusNotFound, "There is no such minigroup", false, 0},
	minigroup.ClassPropertyNotFound:   {http.StatusNotFound, "The minigroup has no such property", false, 0},
	minigroup.AccountPropertyNotFound: {http.StatusNotFound, "The account has no such property", false, 0},
	minigroup.RouteNotFound:           {http.StatusNotFound, "There is no such route", false, 0},
	minigroup.MethodNotAllowed:        {http.StatusMethodNotAllowed, "The route does not take this method", false, 0},
	minigroup.NotAcceptable:           {http.StatusNotAcceptable, "There is no answer in an accepted format", false, 0},
	minigroup.AlreadyEstablished:      {http.StatusConflict, "There is another minigroup of this scope", false, 0},
	minigroup.IdempotencyKeyReused:    {http.StatusUnprocessableEntity, "The idempotency key belongs to another request", false, 0},
	minigroup.OperationInProgress:     {http.StatusConflict, "Another operation on the minigroup is under way", true, 2 * time.Second},
	minigroup.NotReady:                {http.StatusConflict, "The minigroup is not ready", false, 0},
	minigroup.Closed:                  {http.StatusConflict, "The minigroup is closed", false, 0},
	minigroup.RetryNotPossible:        {http.StatusConflict, "The minigroup cannot be retried", false, 0},
	minigroup.OperationCancelled:      {http.StatusConflict, "The operation was cancelled", false, 0},
	minigroup.PreconditionFailed:      {http.StatusPreconditionFailed, "The minigroup is not in the state that was demanded", false, 0},
	minigroup.PayloadTooLarge:         {http.StatusRequestEntityTooLarge, "The body or what it adds to is too large", false, 0},
	minigroup.UnsupportedMediaType:    {http.StatusUnsupportedMediaType, "The body is not of a supported type", false, 0},
	minigroup.UpstreamRefused:         {http.StatusUnprocessableEntity, "Another service refused", false, 0},
	minigroup.RoomTimeChangeForbidden: {http.StatusUnprocessableEntity, "The room can no longer be moved that way", false, 0},
	minigroup.UpstreamUnavailable:     {http.StatusServiceUnavailable, "Another service was out of reach for too long", true, 30 * time.Second},
	minigroup.CapacityExceeded:        {http.StatusServiceUnavailable, "There are not enough free slots", false, 0},
	minigroup.TooManyRequests:         {http.StatusTooManyRequests, "The account sends too many requests", true, time.Second},
	minigroup.ServiceUnavailable:      {http.StatusServiceUnavailable, "The service is out of order", true, 5 * time.Second},
}

// titleOf names a kind for people. A stored failure may be of a kind that is no longer in use.
func titleOf(kind minigroup.Kind) string {
	return cmp.Or(problems[kind].title, string(kind))
}

// fail answers with the problem that err is. An error that is not meant for callers is logged and told as
// service_unavailable; what is told as that and has a cause that is not told is logged, too.
func (s *server) fail(c *gin.Context, err error) {
	told := serviceUnavailable()
	var e *minigroup.Error
	if errors.As(err, &e) {
		if _, known := problems[e.Kind]; known {
			told = e
		}
	}
	if told.Kind == minigroup.ServiceUnavailable && err.Error() != told.Error() {
		s.logCause(c, err)
	}
	writeProblem(c, told)
}

func (s *server) logCause(c *gin.Context, err error) {
	log := s.log(c)
	say := log.Error
	if c.Request.Context().Err() != nil {
		say = log.Info // the caller has hung up, which fails whatever was under way
	}
	say("request failed", zap.String("route", c.FullPath()), zap.Error(err))
}

func serviceUnavailable() *minigroup.Error {
	return minigroup.Errorf(minigroup.ServiceUnavailable, "the request could not be worked on; the same request may be sent again")
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
		IsTransient: kind.transient,
		Upstream:    describeUpstream(e.Upstream, e.UpstreamType),
	}
	for _, f := range e.Fields {
		problem.Errors = append(problem.Errors, fieldErrorObject(f))
	}
	c.Set(problemKey, string(e.Kind))
	c.Abort()
	_ = replyAs(c, kind.status, problemType, problem) // strings and numbers always have a JSON form
}
