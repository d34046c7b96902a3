package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"minigroups/e2e/harness"
	"minigroups/e2e/load"
)

const (
	// sampleEvery is the time between two samples.
	sampleEvery = 10 * time.Second
	// measureFor is how long the capacity is measured before the soak.
	measureFor = 30 * time.Second
	// readsPerCreate and updateEvery are the mix: that many reads for each create, an update for every second one.
	readsPerCreate, updateEvery = 4, 2
	// maxInFlight bounds the requests of a kind that are in progress. More are not sent, and counted as dropped.
	maxInFlight = 256
)

// soak sends requests at a steady rate, without faults, and samples what may grow. It prints the slope of each measure,
// and writes a CSV and a plot.
func soak(ctx context.Context, o options, out io.Writer) (ok bool, err error) {
	if o.root, err = filepath.Abs(o.root); err != nil {
		return false, err
	}
	dir := filepath.Join(o.root, ".dev", "soak")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, err
	}
	s, err := newSystem(o, harness.NewFaultLog(out))
	if err != nil {
		return false, err
	}
	defer func() { s.stop(ctx, !ok) }()
	if err := s.start(ctx); err != nil {
		return false, fmt.Errorf("start the system: %w", err)
	}
	d := &soakLoad{system: s, client: &http.Client{Timeout: clientTimeout}}
	if o.rate == 0 {
		if o.rate = d.capacity(ctx, o.clients) / 2; o.rate == 0 {
			return false, errors.New("no create succeeded while the capacity was measured: see the logs")
		}
	}
	fmt.Fprintf(out, "%.1f creates/s, %.1f reads/s and %.1f updates/s for %s\n",
		o.rate, o.rate*readsPerCreate, o.rate/updateEvery, o.duration)
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { d.drive(ctx, o.rate) })
	samples, err := s.sample(ctx, d)
	cancel()
	wg.Wait()
	if err != nil {
		return false, err
	}
	if err := samples.write(dir); err != nil {
		return false, err
	}
	samples.printSlopes(out)
	fmt.Fprintf(out, "\n%d requests, %d failed, %d not sent; samples and plot are in %s\n",
		d.sent, d.failed, d.dropped, dir)
	return d.failed+d.dropped == 0, nil
}

// soakLoad sends requests and collects how long the answers took.
type soakLoad struct {
	system *system
	client *http.Client

	mu                    sync.Mutex
	classes               []*load.Class
	latencies             map[string][]time.Duration // since the last sample
	begun                 int                        // creates
	sent, failed, dropped int
}

// capacity returns the creates per second of so many clients, each of which sends one after the other.
func (d *soakLoad) capacity(ctx context.Context, clients int) float64 {
	ctx, cancel := context.WithTimeout(ctx, measureFor)
	defer cancel()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				d.create(ctx)
			}
		})
	}
	wg.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return float64(len(d.classes)) / measureFor.Seconds()
}

// drive sends requests at a rate until ctx ends, whether or not earlier ones are answered.
func (d *soakLoad) drive(ctx context.Context, rate float64) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer ticker.Stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	places := make(chan struct{}, maxInFlight)
	send := func(do func(context.Context)) {
		select {
		case places <- struct{}{}:
			wg.Go(func() {
				defer func() { <-places }()
				do(ctx)
			})
		default:
			d.mu.Lock()
			d.dropped++
			d.mu.Unlock()
		}
	}
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		send(d.create)
		for range readsPerCreate {
			send(d.read)
		}
		if n%updateEvery == 0 {
			send(d.update)
		}
	}
}

func (d *soakLoad) create(ctx context.Context) {
	d.mu.Lock()
	d.begun++
	k := load.NewClass(fmt.Sprintf("soak %d", d.begun))
	d.mu.Unlock()
	now := time.Now().Unix()
	body := map[string]any{
		"scope": k.Scope, "audience": harness.Audience, "host": "teacher.example.org",
		"time": []int64{now + 3600, now + 7200}, "reserve": 1,
	}
	if a := d.send(ctx, "create", http.MethodPost, "/api/v1/minigroups", body); a.Code == http.StatusCreated {
		d.mu.Lock()
		d.classes = append(d.classes, k)
		d.mu.Unlock()
	}
}

func (d *soakLoad) read(ctx context.Context) {
	if k := d.pick(); k != nil {
		d.send(ctx, "read", http.MethodGet, k.Path(), nil)
	}
}

func (d *soakLoad) update(ctx context.Context) {
	if k := d.pick(); k != nil {
		body := map[string]any{"host": fmt.Sprintf("web.host-%d.example.org", rand.IntN(1000))} //nolint:gosec // any
		d.send(ctx, "update", http.MethodPut, k.Path(), body)
	}
}

// pick returns one of the classes; nil if there is none.
func (d *soakLoad) pick() *load.Class {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.classes) == 0 {
		return nil
	}
	return d.classes[rand.IntN(len(d.classes))] //nolint:gosec // any
}

// send sends a request to a random API. A conflict with another update of the class is not a failure, and neither is a
// request that ends with ctx.
func (d *soakLoad) send(ctx context.Context, kind, method, path string, body any) load.Answer {
	begun := time.Now()
	url := d.system.apiURLs[rand.IntN(2)] + path //nolint:gosec // any
	a, err := load.Exchange(ctx, d.client, d.system.token, method, url, body)
	if ctx.Err() != nil {
		return a
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent++
	if d.latencies == nil {
		d.latencies = map[string][]time.Duration{}
	}
	d.latencies[kind] = append(d.latencies[kind], time.Since(begun))
	if err != nil || a.Code >= http.StatusInternalServerError {
		d.failed++
		text, _ := json.Marshal(body) // it was sent
		fmt.Fprintf(os.Stderr, "%s %s %s: %d %s %v\n", method, path, text, a.Code, a.Text, err)
	}
	return a
}

// takeLatencies returns the quantiles of creates and reads since the last call, in milliseconds.
func (d *soakLoad) takeLatencies() map[string]float64 {
	d.mu.Lock()
	all := d.latencies
	d.latencies = nil
	d.mu.Unlock()
	values := map[string]float64{}
	for _, kind := range []string{"create", "read"} {
		list := all[kind]
		slices.Sort(list)
		for name, quantile := range map[string]float64{" p50 ms": 0.5, " p99 ms": 0.99} {
			if len(list) > 0 {
				values[kind+name] = float64(list[int(quantile*float64(len(list)-1))].Microseconds()) / 1000
			}
		}
	}
	return values
}
