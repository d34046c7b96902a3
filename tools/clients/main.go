// Command clients uses the Go client that is generated from openapi.yaml: it creates a class, moves it, finds it, reads
// its history and stores a property. It reads MINIGROUPS, the address of the service, TOKEN, AUDIENCE and SCOPE from
// the environment, and prints what it did. It fails at the first answer that it does not expect.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"minigroups/tools/clients/minigroups"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	authenticate := func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		return nil
	}
	client, err := minigroups.NewClientWithResponses(os.Getenv("MINIGROUPS"),
		minigroups.WithRequestEditorFn(authenticate))
	if err != nil {
		return err
	}
	s := session{client: client, audience: os.Getenv("AUDIENCE"), scope: os.Getenv("SCOPE")}
	for _, step := range []func(context.Context) error{s.create, s.conflict, s.move, s.find, s.history, s.property} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// session is the use of one class.
type session struct {
	client          *minigroups.ClientWithResponses
	audience, scope string
	class           *minigroups.Minigroup
}

// create does not wait for the rooms. It repeats the request, which joins the operation, until they exist.
func (s *session) create(ctx context.Context) error {
	body := minigroups.NewMinigroup{
		Audience: s.audience, Scope: s.scope, Host: "teacher." + s.audience, LockedChat: new(true),
	}
	for prefer := "respond-async"; s.class == nil; prefer = "wait=30" {
		created, err := s.client.CreateMinigroupWithResponse(ctx,
			&minigroups.CreateMinigroupParams{Prefer: new(prefer)}, body)
		if err != nil {
			return fmt.Errorf("create: %w", err)
		}
		switch {
		case created.JSON202 != nil:
			fmt.Println(created.JSON202.ClassID, "is being created")
		case created.JSON201 != nil:
			s.class = created.JSON201
		case created.JSON200 != nil:
			s.class = created.JSON200
		default:
			return unexpected("create", created.HTTPResponse, created.Body)
		}
	}
	if s.class.RealTime == nil {
		return fmt.Errorf("create: the class has status %s and no rooms", s.class.Status)
	}
	fmt.Println(s.class.ClassID, "has the event room", s.class.RealTime.EventRoomID)
	return nil
}

// conflict shows how to tell one problem from another.
func (s *session) conflict(ctx context.Context) error {
	other := minigroups.NewMinigroup{Audience: s.audience, Scope: s.scope, Host: "other." + s.audience}
	refused, err := s.client.CreateMinigroupWithResponse(ctx, nil, other)
	if err != nil {
		return fmt.Errorf("create it otherwise: %w", err)
	}
	problem := refused.ApplicationProblemJSON409
	if problem == nil || problem.Type != minigroups.ProblemTypeClassAlreadyEstablished || problem.IsTransient {
		return unexpected("create it otherwise", refused.HTTPResponse, refused.Body)
	}
	fmt.Println("another class with the same scope is refused:", problem.Title)
	return nil
}

// move changes the time, if nobody has changed the class since it was read.
func (s *session) move(ctx context.Context) error {
	read, err := s.client.ReadMinigroupByScopeWithResponse(ctx, s.audience, s.scope, nil)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if read.JSON200 == nil {
		return unexpected("read", read.HTTPResponse, read.Body)
	}
	start := time.Now().Add(24 * time.Hour).Unix()
	window := minigroups.Window{new(start), nil}
	moved, err := s.client.UpdateMinigroupWithResponse(ctx, s.class.ClassID.String(),
		&minigroups.UpdateMinigroupParams{IfMatch: &read.Headers200.ETag, Prefer: new("wait=60")},
		minigroups.Change{Time: &window})
	if err != nil {
		return fmt.Errorf("move: %w", err)
	}
	if moved.JSON200 == nil {
		return unexpected("move", moved.HTTPResponse, moved.Body)
	}
	if got := moved.JSON200.Time; len(got) != 2 || got[0] == nil || *got[0] != start || got[1] != nil {
		return fmt.Errorf("move: the class has another time than [%d, null]", start)
	}
	fmt.Println("it begins at", time.Unix(start, 0).UTC())
	return nil
}

// find follows the pages of a search.
func (s *session) find(ctx context.Context) error {
	params := minigroups.ListMinigroupsParams{
		ScopePrefix: &s.scope, Status: new(minigroups.StatusRealTime), Counts: new(minigroups.OnlyTrue), Limit: new(1),
	}
	for {
		page, err := s.client.ListMinigroupsWithResponse(ctx, s.audience, &params)
		if err != nil {
			return fmt.Errorf("find: %w", err)
		}
		if page.JSON200 == nil || page.JSON200.Counts == nil {
			return unexpected("find", page.HTTPResponse, page.Body)
		}
		for _, found := range page.JSON200.Minigroups {
			if found.ClassID == s.class.ClassID {
				fmt.Println("it is one of", page.JSON200.Counts.RealTime, "ready classes")
				return nil
			}
		}
		if params.Cursor = page.JSON200.Next; params.Cursor == nil {
			return fmt.Errorf("find: no page has %s", s.class.ClassID)
		}
	}
}

func (s *session) history(ctx context.Context) error {
	page, err := s.client.ReadHistoryWithResponse(ctx, s.class.ClassID.String(), nil)
	if err != nil {
		return fmt.Errorf("history: %w", err)
	}
	if page.JSON200 == nil {
		return unexpected("history", page.HTTPResponse, page.Body)
	}
	for _, entry := range page.JSON200.Entries {
		fmt.Println(time.Unix(entry.At, 0).UTC(), entry.Kind, "by", entry.By.Kind)
	}
	return nil
}

func (s *session) property(ctx context.Context) error {
	id := s.class.ClassID.String()
	stored, err := s.client.UpdateClassPropertyWithResponse(ctx, id, "theme", nil, "dark")
	if err != nil {
		return fmt.Errorf("store a property: %w", err)
	}
	if stored.JSON200 == nil {
		return unexpected("store a property", stored.HTTPResponse, stored.Body)
	}
	read, err := s.client.ReadClassPropertyWithResponse(ctx, id, "theme", nil)
	if err != nil {
		return fmt.Errorf("read a property: %w", err)
	}
	if read.JSON200 == nil || *read.JSON200 != "dark" {
		return unexpected("read a property", read.HTTPResponse, read.Body)
	}
	fmt.Println("its theme is", *read.JSON200)
	return nil
}

// unexpected returns the problem of an answer that the caller does not expect.
func unexpected(doing string, resp *http.Response, body []byte) error {
	var problem minigroups.Problem
	if err := json.Unmarshal(body, &problem); err != nil || !problem.Type.Valid() {
		return fmt.Errorf("%s: the service answered %s", doing, resp.Status)
	}
	detail := ""
	if problem.Detail != nil {
		detail = ": " + *problem.Detail
	}
	return fmt.Errorf("%s: %s%s (request %s)", doing, problem.Type, detail, problem.RequestID)
}
