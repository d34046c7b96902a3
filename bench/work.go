package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"minigroups/bench/load"
	"minigroups/minigroup"
)

// scopes counts the scopes that creates of this run have used.
var scopes atomic.Int64

// spreadHours is the number of hours over which the times of classes are spread, so that few classes share an hour.
const spreadHours = 20_000

// creates is the workload of createRequests.
func creates(audience string) workload {
	return func(context.Context, *system) (load.Work, error) { return createRequests(audience), nil }
}

// createRequests creates a class with a new scope each time, for one hour and with one slot.
func createRequests(audience string) load.Work {
	const body = `{"scope":"bench-%d","audience":%q,"host":"teacher.example.org","time":[%d,%d],"reserve":1}`
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Hour).Unix()
	return func(r *fasthttp.Request) {
		n := scopes.Add(1)
		start := tomorrow + n%spreadHours*3600
		r.Header.SetMethod(fasthttp.MethodPost)
		r.SetRequestURI("/api/v1/minigroups")
		r.Header.SetContentType("application/json")
		r.SetBodyString(fmt.Sprintf(body, n, audience, start, start+3600))
	}
}

// scopeOf returns the scope in a body of createRequests.
func scopeOf(body []byte) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(string(body), `{"scope":"`), `"`)
	return scope
}

// withoutWaiting makes requests return before their sagas end.
func withoutWaiting(work load.Work) load.Work {
	return func(r *fasthttp.Request) {
		work(r)
		r.Header.Set("Prefer", "respond-async")
	}
}

// updatesOf moves the classes to another hour, one after another, and starts again after the last.
func updatesOf(audience string, classes []string) load.Work {
	var next atomic.Int64
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Hour).Unix()
	return func(r *fasthttp.Request) {
		n := next.Add(1)
		start := tomorrow + rand.Int64N(spreadHours)*3600 //nolint:gosec // no secret
		r.Header.SetMethod(fasthttp.MethodPut)
		r.SetRequestURI("/api/v1/audiences/" + audience + "/minigroups/" + classes[int(n)%len(classes)])
		r.Header.SetContentType("application/json")
		r.SetBodyString(fmt.Sprintf(`{"time":[%d,%d]}`, start, start+3600))
	}
}

// readsOf reads random ones of the classes by scope.
func readsOf(audience string, classes []string) load.Work {
	return func(r *fasthttp.Request) {
		class := classes[rand.IntN(len(classes))] //nolint:gosec // no secret
		r.SetRequestURI("/api/v1/audiences/" + audience + "/minigroups/" + class)
	}
}

// readsByID reads random ones of the first classes of the data set.
func readsByID(rows int) workload {
	return func(context.Context, *system) (load.Work, error) {
		return func(r *fasthttp.Request) {
			id := minigroup.NewClassID(datasetAudience, datasetScope(rand.IntN(rows))) //nolint:gosec // no secret
			r.SetRequestURI("/api/v1/minigroups/" + id.String())
		}, nil
	}
}

// readsByScope does the same by scope.
func readsByScope(rows int) workload {
	return func(context.Context, *system) (load.Work, error) {
		return func(r *fasthttp.Request) {
			scope := datasetScope(rand.IntN(rows)) //nolint:gosec // no secret
			r.SetRequestURI("/api/v1/audiences/" + datasetAudience + "/minigroups/" + scope)
		}, nil
	}
}

// listsOfReady reads the first page of the classes of the data set that are not over.
func listsOfReady(context.Context, *system) (load.Work, error) {
	return func(r *fasthttp.Request) {
		r.SetRequestURI("/api/v1/audiences/" + datasetAudience + "/minigroups?status=real-time")
	}, nil
}

// listsOfHost reads the first page of the classes of a random host of the data set.
func listsOfHost(context.Context, *system) (load.Work, error) {
	return func(r *fasthttp.Request) {
		host := datasetHost(rand.IntN(datasetHosts)) //nolint:gosec // no secret
		r.SetRequestURI("/api/v1/audiences/" + datasetAudience + "/minigroups?host=" + host)
	}, nil
}

func datasetScope(n int) string { return "class-" + strconv.Itoa(n) }
