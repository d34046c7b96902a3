package main

import (
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

// scopes counts the classes that this run has asked for, whoever made them.
var scopes atomic.Int64

// spreadHours is over how many hours the classes are spread, so that an hour holds few.
const spreadHours = 20_000

// creates asks for a new class of an audience each time: one hour, one slot.
func creates(audience string) load.Work {
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Hour).Unix()
	return func(r *fasthttp.Request) {
		n := scopes.Add(1)
		start := tomorrow + n%spreadHours*3600
		r.Header.SetMethod(fasthttp.MethodPost)
		r.SetRequestURI("/api/v1/minigroups")
		r.Header.SetContentType("application/json")
		r.SetBodyString(fmt.Sprintf(`{"scope":"bench-%d","audience":%q,"host":"teacher.example.org","time":[%d,%d],"reserve":1}`,
			n, audience, start, start+3600))
	}
}

// scopeOf reads the scope that a body of creates asks for.
func scopeOf(body []byte) string {
	scope, _, _ := strings.Cut(strings.TrimPrefix(string(body), `{"scope":"`), `"`)
	return scope
}

// accepted makes work that does not wait for its saga.
func accepted(work load.Work) load.Work {
	return func(r *fasthttp.Request) {
		work(r)
		r.Header.Set("Prefer", "respond-async")
	}
}

// updates moves one class after the other by an hour, round and round.
func updates(audience string, classes []string) load.Work {
	var next atomic.Int64
	tomorrow := time.Now().Add(24 * time.Hour).Truncate(time.Hour).Unix()
	return func(r *fasthttp.Request) {
		n := next.Add(1)
		start := tomorrow + rand.Int64N(spreadHours)*3600 //nolint:gosec // it only has to be spread
		r.Header.SetMethod(fasthttp.MethodPut)
		r.SetRequestURI("/api/v1/audiences/" + audience + "/minigroups/" + classes[int(n)%len(classes)])
		r.Header.SetContentType("application/json")
		r.SetBodyString(fmt.Sprintf(`{"time":[%d,%d]}`, start, start+3600))
	}
}

// readsOf reads any of these classes by its scope.
func readsOf(audience string, classes []string) load.Work {
	return func(r *fasthttp.Request) {
		r.SetRequestURI("/api/v1/audiences/" + audience + "/minigroups/" + classes[rand.IntN(len(classes))]) //nolint:gosec // as well
	}
}

// readsByID reads any of the first so many classes of the data set.
func readsByID(rows int) load.Work {
	return func(r *fasthttp.Request) {
		id := minigroup.ClassID(datasetAudience, datasetScope(rand.IntN(rows))) //nolint:gosec // it only has to be spread
		r.SetRequestURI("/api/v1/minigroups/" + id.String())
	}
}

// readsByScope does the same by scope.
func readsByScope(rows int) load.Work {
	return func(r *fasthttp.Request) {
		r.SetRequestURI("/api/v1/audiences/" + datasetAudience + "/minigroups/" + datasetScope(rand.IntN(rows))) //nolint:gosec // as well
	}
}

func datasetScope(n int) string { return "class-" + strconv.Itoa(n) }
