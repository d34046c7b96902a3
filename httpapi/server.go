package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"minigroups/auth"
	"minigroups/limiter"
	"minigroups/minigroup"
	"minigroups/telemetry"
)

// Minigroups reads minigroups.
type Minigroups interface {
	// Read returns a *minigroup.Error of kind ClassNotFound if there is no such minigroup. Any other error means that
	// the database is unavailable.
	Read(ctx context.Context, key minigroup.Key) (minigroup.Minigroup, error)
	// ReadFor also returns the properties of an account, nil if it has none.
	ReadFor(
		ctx context.Context, key minigroup.Key, account minigroup.Account,
	) (minigroup.Minigroup, json.RawMessage, error)
}

// Sagas starts sagas and waits for each at most wait. An equal request joins the run in progress. A *minigroup.Error is
// shown to the caller; any other error becomes service_unavailable.
type Sagas interface {
	Create(
		ctx context.Context, request minigroup.CreateRequest, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)
	Update(
		ctx context.Context, current minigroup.Minigroup, change minigroup.Change, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)
	Retry(
		ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
	) (minigroup.Minigroup, minigroup.Outcome, error)
	// Cancel cancels the running operation of a minigroup, if there is one.
	Cancel(
		ctx context.Context, current minigroup.Minigroup, by minigroup.Requester, wait time.Duration,
	) (minigroup.Cancellation, error)
}

// Deps are the dependencies and settings of the API.
type Deps struct {
	Minigroups Minigroups
	Sagas      Sagas
	Properties Properties
	History    History
	List       List
	Events     Events
	Keys       Keys
	Verifier   *auth.Verifier
	Authorizer *auth.Authorizer
	// Ready returns an error if the database is unavailable, read-only or without the expected schema. The error is logged
	// and not shown.
	Ready func(ctx context.Context) error
	// TemporalState describes the state of Temporal in a few words, for /readyz.
	TemporalState func(ctx context.Context) string
	// WorkerState describes whether the worker of this process polls Temporal. It is nil if the process has none.
	WorkerState func() string
	// BrokerState describes the state of the MQTT broker in a few words, or says that none is configured.
	BrokerState func(ctx context.Context) string
	// Draining is closed when the process begins to shut down.
	Draining <-chan struct{}
	// Wait is how long POST and PUT wait for their saga by default. MaxWait is the maximum that a caller can request.
	Wait, MaxWait time.Duration
	// PollInterval is how often a read that waits for a change is repeated at first. At most MaxWaitingReads wait.
	PollInterval    time.Duration
	MaxWaitingReads int
	// BodyTimeout is how long the body of a request may take to arrive.
	BodyTimeout time.Duration
	// KeyRetention is how long an Idempotency-Key is stored.
	KeyRetention time.Duration
	// AllowedOrigins are the origins whose pages may call the API from a browser; "*" is every origin.
	AllowedOrigins []string
	// WritesPerMinute is how many writes each account may send to this process in a minute; 0 is no limit.
	WritesPerMinute int
	// MaxConcurrentWrites is how many writes are processed concurrently; 0 is no limit. While several audiences send some,
	// at most half of them are for one.
	MaxConcurrentWrites int
	// MaxConcurrentLists is how many lists are read concurrently; 0 is no limit. A list takes longer than other reads, and
	// has a connection to itself meanwhile.
	MaxConcurrentLists int
	// MaxUnfinished is how many unfinished sagas an audience may have when another one is started; 0 is no limit.
	MaxUnfinished int
	// UnfinishedSagas returns the number of unfinished sagas by audience. It is not called without a limit.
	UnfinishedSagas func(ctx context.Context) (map[string]int, error)
	// TurnHosts are the TURN servers, one of which is shown for each class. Without any, none is shown.
	TurnHosts []string
	// RunLink and TraceLink return the page of a run or a trace that is shown with the history of a class; empty: none.
	RunLink   func(m minigroup.Minigroup, runID string) string
	TraceLink func(traceID string) string
	// WaitingFor returns what the undecided operation of a minigroup waits for; nothing if all are decided. An error means
	// that it is unknown.
	WaitingFor func(ctx context.Context, m minigroup.Minigroup) ([]minigroup.Wait, error)
	// SupportPage serves the page for support.
	SupportPage bool
	// Requests records every request.
	Requests *telemetry.Requests
	Log      *zap.Logger
}

// databaseTimeout bounds a call to the database, so that a read is answered within 5 s even if the database is down.
const databaseTimeout = 4 * time.Second

type server struct {
	Deps
	access     *zap.Logger
	writes     writeLimiter
	waiting    waitingReads
	lists      *limiter.Limiter
	unfinished *unfinishedSagas
}

// Gin's debug mode writes every route to standard output.
func init() { gin.SetMode(gin.ReleaseMode) }

// New returns the handler of the API. It starts no goroutines and is safe for concurrent use.
func New(d Deps) http.Handler { return newEngine(d) }

func newEngine(d Deps) *gin.Engine {
	s := &server{
		Deps: d, writes: writeLimiter{limiter.New(d.MaxConcurrentWrites, 0)},
		access:     d.Log.WithOptions(zap.WithCaller(false)), // it is always accessLog
		waiting:    waitingReads{Limiter: limiter.New(d.MaxWaitingReads, 0), interval: d.PollInterval, began: time.Now()},
		lists:      limiter.New(d.MaxConcurrentLists, maxWaitingLists),
		unfinished: &unfinishedSagas{max: d.MaxUnfinished, read: d.UnfinishedSagas},
	}
	r := gin.New()
	// A scope may contain a slash, so the encoded path is matched and its parameters are decoded afterwards.
	r.UseEscapedPath, r.UnescapePathValues = true, false
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleMethodNotAllowed = true
	r.Use(requestID, s.observe, s.accessLog, securityHeaders, allowOptions, s.setBodyDeadline, s.cors, s.recoverPanics)
	r.NoRoute(s.handle(routeNotFound))
	r.NoMethod(s.handle(methodNotAllowed))

	read := []string{http.MethodGet, http.MethodHead}
	r.Match(read, "/healthz", s.handle(healthz))
	r.Match(read, "/readyz", s.handle(s.readyz))
	r.Match(read, "/openapi.yaml", openAPI)
	r.Match(read, "/docs", s.handle(docs))
	r.Match(read, "/docs/:file", s.handle(docsFile))
	if d.SupportPage {
		r.Match(read, "/support", s.handle(supportPage))
		r.Match(read, "/support/:file", s.handle(supportPage))
	}

	api := r.Group("/api/v1", s.authenticate, s.checkAccept, s.limitRate(d.WritesPerMinute), s.checkPathNames)
	api.POST("/minigroups", s.handle(s.create))
	api.Match(read, "/minigroups/:minigroup_id", s.handle(s.read(s.byID)))
	api.PUT("/minigroups/:minigroup_id", s.handle(s.update(s.byID)))
	api.POST("/minigroups/:minigroup_id/recreate", s.handle(s.recreate))
	api.POST("/minigroups/:minigroup_id/retry", s.handle(s.retry))
	api.POST("/minigroups/:minigroup_id/cancel", s.handle(s.cancel))
	api.Match(read, "/minigroups/:minigroup_id/history", s.handle(s.history))
	api.DELETE("/minigroups/:minigroup_id/personal-data", s.handle(s.erase))
	api.Match(read, "/minigroups/:minigroup_id/properties/:property_id", s.handle(s.readProperty))
	api.PUT("/minigroups/:minigroup_id/properties/:property_id", s.handle(s.writeProperty))
	api.POST("/minigroups/:minigroup_id/events", s.handle(s.createEvent))
	api.POST("/minigroups/:minigroup_id/whiteboard", s.handle(s.createWhiteboard))
	api.Match(read, "/audiences/:audience/minigroups", s.handle(s.list))
	api.Match(read, "/audiences/:audience/minigroups/:scope", s.handle(s.read(s.byScope)))
	api.PUT("/audiences/:audience/minigroups/:scope", s.handle(s.update(s.byScope)))
	api.Match(read, "/account/properties/:property_id", s.handle(s.readAccountProperty))
	api.PUT("/account/properties/:property_id", s.handle(s.writeAccountProperty))
	return r
}

// endpoint replies to a request, or returns the error to reply with.
type endpoint func(*gin.Context) error

func (s *server) handle(e endpoint) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := e(c); err != nil {
			s.fail(c, err)
		}
	}
}

// authorize returns AccessDenied unless the account of the request may perform action in this audience: on its
// minigroups in general, or on the one with this id.
func (s *server) authorize(c *gin.Context, audience, action string, id ...string) error {
	return s.Authorizer.Authorize(c.Request.Context(), accountOf(c), audience, action, id...)
}

func routeNotFound(_ *gin.Context) error {
	return minigroup.Errorf(minigroup.RouteNotFound, "no route matches this path; a slash within a scope is written %%2F")
}

func methodNotAllowed(c *gin.Context) error {
	return minigroup.Errorf(minigroup.MethodNotAllowed, "this path accepts %s", c.Writer.Header().Get("Allow"))
}
