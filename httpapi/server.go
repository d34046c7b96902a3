package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/limiter"
	"minigroups/minigroup"
	"minigroups/telemetry"
)

// Minigroups reads minigroups.
type Minigroups interface {
	// ByID returns a *minigroup.Error of kind ClassNotFound where there is no such minigroup. Any other error means that
	// the database is out of reach.
	ByID(ctx context.Context, classID uuid.UUID) (minigroup.Minigroup, error)
	// ByIDForAccount reads the properties of an account as well, nil where it has none.
	ByIDForAccount(ctx context.Context, classID uuid.UUID, account minigroup.Account) (minigroup.Minigroup, json.RawMessage, error)
}

// Sagas starts the sagas and waits for them, at most wait. An equal request joins the run that is under way. Errors are
// *minigroup.Error; any other is told to the caller as service_unavailable.
type Sagas interface {
	Create(ctx context.Context, request minigroup.CreateRequest, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
	Update(ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
	Retry(ctx context.Context, current minigroup.Minigroup, wait time.Duration) (minigroup.Minigroup, minigroup.Outcome, error)
}

// Deps is what the API works with. All are needed.
type Deps struct {
	Minigroups Minigroups
	Sagas      Sagas
	Properties Properties
	Events     Events
	Keys       Keys
	Verifier   *auth.Verifier
	Authorizer *auth.Authorizer
	// Ready returns an error where the database is out of reach or its schema is not the one expected. The error is
	// logged, not shown.
	Ready func(ctx context.Context) error
	// TemporalState says in a word or two how Temporal is. It is shown by /readyz and decides nothing.
	TemporalState func(ctx context.Context) string
	// BrokerState says the same of the broker that event and conference announce on, or that none is configured.
	BrokerState func(ctx context.Context) string
	// Draining is closed when the process has been told to end.
	Draining <-chan struct{}
	// Wait is how long POST and PUT wait for their saga where the caller asks for nothing else, and MaxWait the longest that
	// one may ask for.
	Wait, MaxWait time.Duration
	// BodyWait is how long the body of a request may take to arrive.
	BodyWait time.Duration
	// KeepKeys is how long an Idempotency-Key is remembered.
	KeepKeys time.Duration
	// AllowedOrigins are those of the pages that may call the API from a browser; "*" is every origin.
	AllowedOrigins []string
	// WritesPerMinute is how much each account may write, as this process counts it; 0 is no limit.
	WritesPerMinute int
	// MaxConcurrentWrites is how many writes are let in at a time, half of them for one audience; 0 is no limit.
	MaxConcurrentWrites int
	// TurnHosts are those that a class is told one of; none are told where there are none.
	TurnHosts []string
	// Requests tells of every request.
	Requests *telemetry.Requests
	Log      *zap.Logger
}

// databaseWait bounds a look into the database, so that a read is answered within 5 s even without one.
const databaseWait = 4 * time.Second

type server struct {
	Deps
	door door
}

// Gin's other mode writes every route to standard output.
func init() { gin.SetMode(gin.ReleaseMode) }

// New returns the API. It starts nothing, and serves any number of requests at once.
func New(d Deps) http.Handler { return newEngine(d) }

func newEngine(d Deps) *gin.Engine {
	s := &server{d, door{limiter.New(d.MaxConcurrentWrites)}}
	r := gin.New()
	// A scope may hold a slash: the path is matched as it was sent, and decoded afterwards.
	r.UseEscapedPath, r.UnescapePathValues = true, false
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleMethodNotAllowed = true
	r.Use(requestID, s.observe, s.accessLog, protect, allowOptions, s.boundBody, s.cors, s.recoverPanics)
	r.NoRoute(s.answer(routeNotFound))
	r.NoMethod(s.answer(methodNotAllowed))

	reading := []string{http.MethodGet, http.MethodHead}
	r.Match(reading, "/healthz", s.answer(healthz))
	r.Match(reading, "/readyz", s.answer(s.readyz))
	r.Match(reading, "/openapi.yaml", openAPI)
	r.Match(reading, "/docs", s.answer(docs))
	r.Match(reading, "/docs/:file", s.answer(docsFile))

	api := r.Group("/api/v1", s.authenticate, s.acceptable, s.limitWrites(d.WritesPerMinute))
	api.POST("/minigroups", s.answer(s.create))
	api.Match(reading, "/minigroups/:minigroup_id", s.answer(s.read(byID)))
	api.PUT("/minigroups/:minigroup_id", s.answer(s.update(byID)))
	api.POST("/minigroups/:minigroup_id/recreate", s.answer(s.recreate))
	api.POST("/minigroups/:minigroup_id/retry", s.answer(s.retry))
	api.Match(reading, "/minigroups/:minigroup_id/properties/:property_id", s.answer(s.readProperty))
	api.PUT("/minigroups/:minigroup_id/properties/:property_id", s.answer(s.writeProperty))
	api.POST("/minigroups/:minigroup_id/events", s.answer(s.createEvent))
	api.POST("/minigroups/:minigroup_id/whiteboard", s.answer(s.createWhiteboard))
	api.Match(reading, "/audiences/:audience/minigroups/:scope", s.answer(s.read(byScope)))
	api.PUT("/audiences/:audience/minigroups/:scope", s.answer(s.update(byScope)))
	api.Match(reading, "/account/properties/:property_id", s.answer(s.readAccountProperty))
	api.PUT("/account/properties/:property_id", s.answer(s.writeAccountProperty))
	return r
}

// endpoint answers a request, or returns the error to answer it with.
type endpoint func(*gin.Context) error

func (s *server) answer(e endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := e(c); err != nil {
			s.fail(c, err)
		}
	}
}

// authorize looks up whether the account of this request may do action in this audience: to its minigroups in general, or to
// the one of this id.
func (s *server) authorize(c *gin.Context, audience, action string, id ...string) error {
	return s.Authorizer.Authorize(c.Request.Context(), accountOf(c), audience, action, id...)
}

func routeNotFound(_ *gin.Context) error {
	return minigroup.Errorf(minigroup.RouteNotFound, "there is nothing at this path; a slash within a scope is written %%2F")
}

func methodNotAllowed(c *gin.Context) error {
	return minigroup.Errorf(minigroup.MethodNotAllowed, "this path takes %s", c.Writer.Header().Get("Allow"))
}
