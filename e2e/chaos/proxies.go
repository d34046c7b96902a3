package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"minigroups/e2e/harness"
)

// proxies are TCP proxies between processes, each of which can be disturbed.
type proxies struct {
	server *toxiproxy.ApiServer
	faults *harness.FaultLog
	all    map[string]*proxy // by address
}

// proxy connects a process to one of its dependencies.
type proxy struct {
	from, to string
	toxi     *toxiproxy.Proxy
	mu       sync.Mutex // held while it is disturbed
}

func (p *proxy) name() string { return p.from + " to " + p.to }

func newProxies(faults *harness.FaultLog) *proxies {
	return &proxies{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop()),
		faults: faults, all: map[string]*proxy{},
	}
}

// add starts a proxy and returns the address on which it listens.
func (p *proxies) add(from, to, upstream string) (string, error) {
	address, err := harness.FreeAddress()
	if err != nil {
		return "", err
	}
	toxi := toxiproxy.NewProxy(p.server, from+" "+to, address, upstream)
	if err := toxi.Start(); err != nil {
		return "", fmt.Errorf("start a proxy from %s to %s: %w", from, to, err)
	}
	p.all[toxi.Listen] = &proxy{from: from, to: to, toxi: toxi}
	return toxi.Listen, nil
}

// byAddress returns the proxy that listens on the address; nil if there is none.
func (p *proxies) byAddress(address string) *proxy { return p.all[address] }

// pick returns a random proxy.
func (p *proxies) pick(rnd *rand.Rand) *proxy {
	addresses := slices.Sorted(maps.Keys(p.all))
	slices.SortStableFunc(addresses, func(a, b string) int { return strings.Compare(p.all[a].name(), p.all[b].name()) })
	return p.all[addresses[rnd.IntN(len(addresses))]]
}

func (p *proxies) stop() {
	for _, one := range p.all {
		one.toxi.Stop()
	}
}

// disturbance is one way in which a connection fails.
type disturbance struct {
	name  string
	toxic map[string]any // nil: the proxy accepts no connections
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

// disturb makes a connection fail for this long.
func (p *proxies) disturb(ctx context.Context, on *proxy, how disturbance, length time.Duration) error {
	on.mu.Lock()
	defer on.mu.Unlock()
	defer p.faults.Begin(on.name(), how.name)()
	if how.toxic == nil {
		on.toxi.Stop()
		harness.Pause(ctx, length)
		return on.toxi.Start()
	}
	encoded, err := json.Marshal(how.toxic)
	if err != nil {
		return err
	}
	if _, err := on.toxi.Toxics.AddToxicJson(bytes.NewReader(encoded)); err != nil {
		return err
	}
	harness.Pause(ctx, length)
	return on.toxi.Toxics.RemoveToxic(context.WithoutCancel(ctx), "chaos")
}
