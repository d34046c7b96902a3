package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"minigroups/e2e/load"
)

// Addresses that compose.yaml publishes.
const (
	prometheus = "http://127.0.0.1:9091"
	event      = "http://127.0.0.1:8091"
	conference = "http://127.0.0.1:8092"
)

var apis = []string{"http://127.0.0.1:8080", "http://127.0.0.1:8081"}

const collection = "/api/v1/minigroups"

// older is the class of the session, which exists until the end.
var older = load.NewClass("session")

// session creates a class, reads, updates and recreates it, each request at the other API than the one before.
func (p *project) session(ctx context.Context) (string, error) {
	start := time.Now().Add(24 * time.Hour).Unix()
	created, err := p.request(ctx, 0, http.MethodPost, collection, map[string]any{
		"scope": older.Scope, "audience": "example.org", "host": "teacher.example.org",
		"time": []int64{start, start + 3600}, "reserve": 8,
	})
	if err != nil {
		return "", err
	}
	read, err := p.request(ctx, 1, http.MethodGet, older.Path(), nil)
	if err != nil {
		return "", err
	}
	if *read.RealTime != *created.RealTime {
		return "", fmt.Errorf("created %s, read %s", created.Text, read.Text)
	}
	if err := p.move(ctx, 1, start+86400); err != nil {
		return "", err
	}
	recreated, err := p.request(ctx, 0, http.MethodPost, older.Path()+"/recreate", map[string]any{})
	if err != nil {
		return "", err
	}
	if recreated.RealTime.EventRoomID == created.RealTime.EventRoomID {
		return "", fmt.Errorf("it has the old rooms: %s", recreated.Text)
	}
	return "real-time, moved, with new rooms", nil
}

// move moves the class of the session and reads it at the other API.
func (p *project) move(ctx context.Context, api int, start int64) error {
	window := fmt.Sprintf("[%d,%d]", start, start+3600)
	_, err := p.request(ctx, api, http.MethodPut, older.Path(), map[string]any{"time": []int64{start, start + 3600}})
	if err != nil {
		return err
	}
	read, err := p.request(ctx, 1-api, http.MethodGet, older.Path(), nil)
	if err == nil && string(read.Time) != window {
		err = fmt.Errorf("moved to %s, read %s", window, read.Text)
	}
	return err
}

// request sends a request to an API and requires that the class is real-time.
func (p *project) request(ctx context.Context, api int, method, path string, body any) (load.Answer, error) {
	a, err := load.Exchange(ctx, noKeepAlive, p.token, method, apis[api]+path, body)
	switch {
	case err != nil:
		return a, err
	case a.Code != http.StatusOK && a.Code != http.StatusCreated, a.Status != "real-time", a.RealTime == nil,
		a.Update != nil:
		return a, fmt.Errorf("%s %s is answered %d %s", method, path, a.Code, a.Text)
	}
	return a, nil
}

// restart removes all containers and their network, starts them again with the data, and reads a class. No container
// may fail meanwhile, not even once.
func (p *project) restart(ctx context.Context) (string, error) {
	p.saveLogs(ctx, "restart")
	if _, err := p.compose(ctx, "down"); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	begun := time.Now()
	if err := p.up(ctx); err != nil {
		return "", err
	}
	if _, err := p.awaitAll(ctx); err != nil {
		return "", err
	}
	up := time.Since(begun)
	if _, err := p.request(ctx, 0, http.MethodGet, older.Path(), nil); err != nil {
		return "", err
	}
	seen, err := p.restarts(ctx)
	return fmt.Sprintf("up in %.1f s, %s", up.Seconds(), seen), err
}

// checkOlder moves a class that was created before the restart, whose rooms the stand-ins must still have.
func (p *project) checkOlder(ctx context.Context) (string, error) {
	err := p.move(ctx, 0, time.Now().Add(72*time.Hour).Unix())
	return "PUT moves it", err
}

// down removes everything and sees that nothing is left.
func (p *project) down(ctx context.Context) (string, error) {
	p.saveLogs(ctx, "down")
	if _, err := p.compose(ctx, "down", "-v"); err != nil {
		return "", err
	}
	for _, list := range [][]string{
		{"ps", "-a", "-q"}, {"volume", "ls", "-q", "-f", "name=minigroups"}, {"network", "ls", "-q", "-f", "name=minigroups"},
	} {
		left, err := p.command(ctx, "docker", list...)
		if err == nil && left != "" {
			err = fmt.Errorf("docker %v still shows %q", list, left)
		}
		if err != nil {
			return "", err
		}
	}
	return "no container, volume or network is left", nil
}

// get returns the body of a page.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := noKeepAlive.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s is answered %d %s", url, res.StatusCode, body)
	}
	return body, err
}
