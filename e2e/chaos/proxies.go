package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minigroups/e2e/harness"
)

// wires are TCP proxies between processes, each of which can be disturbed.
type proxies struct {
	server *toxiproxy.ApiServer
	faults *harness.FaultLog
	all    map[string]*proxy // by address
}

// wire leads from a process to one thing that it needs.
type proxy struct {
	from, to string
	toxi     *toxiproxy.Proxy
	mu       sync.Mutex // held while it is disturbed
}

func (w *proxy) name() string { return w.from + " to " + w.to }

func newProxies(faults *harness.FaultLog) *proxies {
	return &proxies{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop()),
		faults: faults, all: map[string]*proxy{},
	}
}

// lay makes a wire and returns the address at its near end.
func (w *proxies) add(from, to, upstream string) (string, error) {
	address, err := harness.FreeAddress()
	if err != nil {
		return "", err
	}
	toxi := toxiproxy.NewProxy(w.server, from+" "+to, address, upstream)
	if err := toxi.Start(); err != nil {
		return "", fmt.Errorf("lay a wire from %s to %s: %w", from, to, err)
	}
	w.all[toxi.Listen] = &proxy{from: from, to: to, toxi: toxi}
	return toxi.Listen, nil
}

// by returns the wire whose near end is the address; nil where there is none.
func (w *proxies) byAddress(address string) *proxy { return w.all[address] }

// any picks a wire.
func (w *proxies) pick(rnd *rand.Rand) *proxy {
	addresses := slices.Sorted(maps.Keys(w.all))
	slices.SortFunc(addresses, func(a, b string) int { return bytes.Compare([]byte(w.all[a].name()), []byte(w.all[b].name())) })
	return w.all[addresses[rnd.IntN(len(addresses))]]
}

func (w *proxies) stop() {
	for _, wire := range w.all {
		wire.toxi.Stop()
	}
}

// disturbance is one way in which a wire fails.
type disturbance struct {
	name  string
	toxic map[string]any // nil: it takes no connections
	loses bool           // replies that the other side takes for delivered
}

func toxic(kind, stream string, attributes map[string]any) map[string]any {
	return map[string]any{"name": "chaos", "type": kind, "stream": stream, "attributes": attributes}
}

var disturbances = []disturbance{
	{"latency", toxic("latency", "downstream", map[string]any{"latency": 300, "jitter": 300}), false},
	{"requests vanish", toxic("timeout", "upstream", map[string]any{"timeout": 0}), false},
	{"replies vanish", toxic("timeout", "downstream", map[string]any{"timeout": 0}), true},
	{"connections are reset", toxic("reset_peer", "downstream", map[string]any{"timeout": 50}), true},
	{"replies are cut short", toxic("limit_data", "downstream", map[string]any{"bytes": 200}), true},
	{"connections close slowly", toxic("slow_close", "downstream", map[string]any{"delay": 1000}), false},
	{"no connections", nil, true},
}

// disturb makes a wire fail for a while.
func (w *proxies) disturb(ctx context.Context, on *proxy, how disturbance, away time.Duration) error {
	on.mu.Lock()
	defer on.mu.Unlock()
	defer w.faults.Begin(on.name(), how.name)()
	if how.toxic == nil {
		on.toxi.Stop()
		harness.Pause(ctx, away)
		return on.toxi.Start()
	}
	encoded, err := json.Marshal(how.toxic)
	if err != nil {
		return err
	}
	if _, err := on.toxi.Toxics.AddToxicJson(bytes.NewReader(encoded)); err != nil {
		return err
	}
	harness.Pause(ctx, away)
	return on.toxi.Toxics.RemoveToxic(context.WithoutCancel(ctx), "chaos")
}
