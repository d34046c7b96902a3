package janus_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/janus"
	"minigroups/sandbox"
	"minigroups/sandbox/sandboxclient"
)

func TestFaults(t *testing.T) {
	const create, update, closing = sandbox.OperationCreate, sandbox.OperationUpdate, sandbox.OperationClose
	reserve := func(s standIn, c *janus.Client, ctx context.Context, id uuid.UUID) error {
		return c.Reserve(ctx, s.backend, id, 8, description)
	}
	release := func(s standIn, c *janus.Client, ctx context.Context, id uuid.UUID) error {
		return c.Release(ctx, s.backend, id)
	}
	for _, test := range []struct {
		name      string
		call      func(standIn, *janus.Client, context.Context, uuid.UUID) error
		there     bool // before the call
		fault     sandbox.Fault
		want, typ string
		thereThen bool
	}{
		{"a create that is refused", reserve, false, sandbox.Fault{Operation: create, Do: sandbox.EffectRefuse}, "refused", "433", false},
		{"a create that fails", reserve, false, sandbox.Fault{Operation: create, Do: sandbox.EffectFail}, "maybe done", "", false},
		{"a create whose reply is lost", reserve, false, sandbox.Fault{Operation: create, Do: sandbox.EffectLoseReply}, "maybe done", "", true},
		{"a create that hangs", reserve, false, sandbox.Fault{Operation: create, Do: sandbox.EffectHang}, "maybe done", "", false},
		{"an edit that is refused", reserve, true, sandbox.Fault{Operation: update, Do: sandbox.EffectRefuse}, "refused", "433", true},
		{"an edit that fails", reserve, true, sandbox.Fault{Operation: update, Do: sandbox.EffectFail}, "maybe done", "", true},
		{"an edit whose reply is lost", reserve, true, sandbox.Fault{Operation: update, Do: sandbox.EffectLoseReply}, "maybe done", "", true},
		{"a destroy that is refused", release, true, sandbox.Fault{Operation: closing, Do: sandbox.EffectRefuse}, "refused", "433", true},
		{"a destroy that fails", release, true, sandbox.Fault{Operation: closing, Do: sandbox.EffectFail}, "maybe done", "", true},
		{"a destroy whose reply is lost", release, true, sandbox.Fault{Operation: closing, Do: sandbox.EffectLoseReply}, "maybe done", "", false},
	} {
		t.Run(test.name+" is "+test.want, func(t *testing.T) {
			s, client, id := startStandIn(t), newClient(t, config), uuid.New()
			if test.there {
				if err := reserve(s, client, bounded(t, 10*time.Second), id); err != nil {
					t.Fatal(err)
				}
			}
			if err := sandboxclient.SetFaults(t.Context(), s.url, test.fault); err != nil {
				t.Fatal(err)
			}
			ctx := bounded(t, 10*time.Second)
			if test.fault.Do == sandbox.EffectHang {
				ctx = bounded(t, 50*time.Millisecond)
			}
			if failed := failure(t, test.call(s, client, ctx, id)); verdict(failed) != test.want || failed.Type != test.typ {
				t.Errorf("%s: %+v", verdict(failed), failed)
			}
			if err := sandboxclient.ClearFaults(t.Context(), s.url); err != nil {
				t.Fatal(err)
			}
			if there := len(list(t, s.backend)) == 1; there != test.thereThen {
				t.Errorf("the room is there: %v", there)
			}
		})
	}
}
