package janus_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
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
		operation sandbox.Operation
		fault     sandbox.Effect
		want, typ string
		remains   bool // the room exists after the call
	}{
		{
			name: "a create that is rejected", call: reserve, operation: create, fault: sandbox.EffectRefuse,
			want: clientstest.NotDone, typ: "433", remains: false,
		},
		{
			name: "a create that fails", call: reserve, operation: create, fault: sandbox.EffectFail,
			want: clientstest.MaybeDone, remains: false,
		},
		{
			name: "a create whose reply is lost", call: reserve, operation: create, fault: sandbox.EffectLoseReply,
			want: clientstest.MaybeDone, remains: true,
		},
		{
			name: "a create that hangs", call: reserve, operation: create, fault: sandbox.EffectHang,
			want: clientstest.MaybeDone, remains: false,
		},
		{
			name: "an edit that is refused", call: reserve, operation: update, fault: sandbox.EffectRefuse,
			want: clientstest.Refused, typ: "433", remains: true,
		},
		{
			name: "an edit that fails", call: reserve, operation: update, fault: sandbox.EffectFail,
			want: clientstest.MaybeDone, remains: true,
		},
		{
			name: "an edit whose reply is lost", call: reserve, operation: update, fault: sandbox.EffectLoseReply,
			want: clientstest.MaybeDone, remains: true,
		},
		{
			name: "a destroy that is refused", call: release, operation: closing, fault: sandbox.EffectRefuse,
			want: clientstest.Refused, typ: "433", remains: true,
		},
		{
			name: "a destroy that fails", call: release, operation: closing, fault: sandbox.EffectFail,
			want: clientstest.MaybeDone, remains: true,
		},
		{
			name: "a destroy whose reply is lost", call: release, operation: closing, fault: sandbox.EffectLoseReply,
			want: clientstest.MaybeDone, remains: false,
		},
	} {
		t.Run(test.name+" is "+test.want, func(t *testing.T) {
			s, client, id := startStandIn(t), newClient(t, config), uuid.New()
			fault := sandbox.Fault{Operation: test.operation, Do: test.fault}
			if test.operation != create {
				if err := reserve(s, client, bounded(t, 10*time.Second), id); err != nil {
					t.Fatal(err)
				}
			}
			if err := sandboxclient.SetFaults(t.Context(), s.url, fault); err != nil {
				t.Fatal(err)
			}
			ctx := bounded(t, 10*time.Second)
			if test.fault == sandbox.EffectHang {
				ctx = bounded(t, 50*time.Millisecond)
			}
			failed := failure(t, test.call(s, client, ctx, id))
			if clientstest.Verdict(failed) != test.want || failed.Type != test.typ {
				t.Errorf("%s: %+v", clientstest.Verdict(failed), failed)
			}
			if err := sandboxclient.ClearFaults(t.Context(), s.url); err != nil {
				t.Fatal(err)
			}
			if exists := len(list(t, s.backend)) == 1; exists != test.remains {
				t.Errorf("the room exists: %v", exists)
			}
		})
	}
}
