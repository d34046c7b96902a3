package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"minigroups/clients/janus"
	"minigroups/e2e/harness"
	"minigroups/e2e/load"
	"minigroups/e2e/verify"
	"minigroups/minigroup"
)

// runningLoad is the load during the kills.
type runningLoad struct {
	token   string
	end     context.CancelFunc
	classes chan []*load.Class

	mu       sync.Mutex
	accepted int // creates that were answered 201 or 202
	wrong    []string
}

// Send sends a request to one of the APIs.
func (l *runningLoad) Send(
	ctx context.Context, api int, method, path string, body any, headers ...string,
) load.Answer {
	a, _ := load.Exchange(ctx, noKeepAlive, l.token, method, apis[api]+path, body, headers...) // its code is 0 then
	if method == http.MethodPost && path == collection && (a.Code == 201 || a.Code == 202) {
		l.mu.Lock()
		l.accepted++
		l.mu.Unlock()
	}
	return a
}

// AddViolation records a broken promise.
func (l *runningLoad) AddViolation(at time.Time, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, at.Format(time.TimeOnly)+" "+fmt.Sprintf(format, args...))
}

func (l *runningLoad) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted
}

// beginLoad starts four clients and returns when they have created classes.
func (p *project) beginLoad(ctx context.Context) (string, error) {
	loadCtx, end := context.WithCancel(ctx)
	l := &p.load
	l.token, l.end, l.classes = p.token, end, make(chan []*load.Class, 1)
	go func() {
		l.classes <- load.Load{
			API: l, Closings: load.NewClosings(), Clients: 4, Operations: 1 << 40, Seed: 1,
			Pace: 50 * time.Millisecond, Attempts: 20, PollFor: 10 * time.Second, ScopePrefix: "load ",
		}.Drive(loadCtx)
	}()
	return p.moreCreates(ctx, 10)
}

// moreCreates waits until n more creates are accepted.
func (p *project) moreCreates(ctx context.Context, n int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	before := p.load.count()
	err := await(ctx, func() error {
		if more := p.load.count() - before; more < n {
			return fmt.Errorf("only %d creates are accepted", more)
		}
		return nil
	})
	return fmt.Sprintf("%d creates accepted so far", p.load.count()), err
}

// endLoad ends the load, waits until nothing is in progress and checks what exists: each acknowledged class is as it
// was acknowledged, and no room is open that the ledger does not hold.
func (p *project) endLoad(ctx context.Context) (string, error) {
	p.load.end()
	classes := <-p.load.classes
	checker, closeAll, err := p.checker(ctx)
	if err != nil {
		return "", err
	}
	defer closeAll()
	stuck, err := checker.AwaitIdle(ctx)
	if err != nil {
		return "", err
	}
	found, err := checker.Check(ctx)
	if err != nil {
		return "", err
	}
	wrong := append(append(stuck, p.load.wrong...), found.Violations...)
	for i, class := range classes {
		a, err := load.Exchange(ctx, noKeepAlive, p.token, http.MethodGet, apis[i%2]+class.Path(), nil)
		if err != nil {
			return "", err
		}
		if text := class.Contradiction(a, nil); text != "" {
			wrong = append(wrong, fmt.Sprintf("class %s: %s", class.Scope, text))
		}
	}
	if len(wrong) > 0 {
		return "", errors.New(strings.Join(wrong, "\n"))
	}
	return fmt.Sprintf("%d accepted, %d classes: %d ready, %d failed; no other room",
		p.load.accepted, len(classes)+1, found.Ready, found.Failed), nil
}

// checker connects to the containers, by their addresses on the network of the project.
func (p *project) checker(ctx context.Context) (c verify.Checker, closeAll func(), err error) {
	secrets, err := p.secrets()
	if err != nil {
		return c, nil, err
	}
	address := map[string]string{}
	for _, service := range []string{"postgres", "temporal", "sandbox"} {
		if address[service], err = p.address(ctx, service); err != nil {
			return c, nil, err
		}
	}
	c = verify.Checker{
		Event: event, Conference: conference,
		Gateways: janus.New(janus.Config{
			AdminSecret: secrets["JANUS_ADMIN_SECRET"], AdminKey: secrets["JANUS_ADMIN_KEY"], RoomKey: secrets["JANUS_ROOM_KEY"],
		}, http.DefaultTransport),
		Backends: []minigroup.Backend{{
			ID: "janus-1", AdminURL: "http://" + address["sandbox"] + ":7088/admin",
			JanusURL: "http://" + address["sandbox"] + ":8088/janus",
		}},
	}
	url := fmt.Sprintf("postgres://minigroups:%s@%s:5432/minigroups", secrets["POSTGRES_PASSWORD"], address["postgres"])
	if c.DB, err = pgxpool.New(ctx, url); err != nil {
		return c, nil, err
	}
	c.Client, err = client.DialContext(ctx, client.Options{
		HostPort: address["temporal"] + ":7233", Logger: harness.NopLogger{},
	})
	if err != nil {
		c.DB.Close()
		return c, nil, err
	}
	return c, func() { c.Client.Close(); c.DB.Close() }, nil
}

// secrets returns what secrets.sh has written.
func (p *project) secrets() (map[string]string, error) {
	file, err := os.ReadFile(p.path("deploy", ".env"))
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, line := range lines(string(file)) {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	return all, nil
}

// address returns the address of a service's container on the network of the project.
func (p *project) address(ctx context.Context, service string) (string, error) {
	id, err := p.container(ctx, service)
	if err != nil {
		return "", err
	}
	found, err := p.inspect(ctx, "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id)
	return strings.Join(found, ""), err
}
