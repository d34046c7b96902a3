package stored_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/uuid"

	"minigroups/minigroup"
	"minigroups/stored"
)

// roundTrip writes a form as JSON and reads it back.
func roundTrip[T any](t *testing.T, form T) (back T) {
	t.Helper()
	text, err := json.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestACreateRequestIsReadBackAsItWasStored(t *testing.T) {
	r := minigroup.CreateRequest{
		Draft: minigroup.Draft{
			Audience: "example.org", Scope: "math/7b", Host: "host",
			Time: minigroup.Window{Start: new(int64(1)), End: new(int64(2))}, Tags: []byte(`{"a":1}`), Reserve: new(int32(3)),
			LockedChat: true, LockedQuestions: true, Properties: []byte(`{"b":2}`),
		},
		ID: uuid.New(), Fingerprint: "f", Retry: true,
		RequestedBy: minigroup.Requester{Account: minigroup.Account{Label: "l", Audience: "a"}, RequestID: "r"},
	}
	for i := range reflect.TypeFor[minigroup.Draft]().NumField() {
		if reflect.ValueOf(r.Draft).Field(i).IsZero() {
			t.Errorf("the draft of this test lacks %s", reflect.TypeFor[minigroup.Draft]().Field(i).Name)
		}
	}
	if got := roundTrip(t, stored.NewCreateRequest(r)).Request(); !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, want %+v", got, r)
	}
}

func TestAChangeIsReadBackAsItWasStored(t *testing.T) {
	for _, c := range []minigroup.Change{
		{},
		{Time: &minigroup.Window{}},
		{Time: &minigroup.Window{End: new(int64(2))}, Reserve: new(int32(0)), Host: new("a.b.c"), Revision: new(int64(0))},
		{Host: new("a.b.c"), Revision: new(int64(1)), Repair: true},
		{Host: new("a.b.c"), RequestedBy: minigroup.Requester{Operator: "o", Reason: "r", TraceID: "t"}},
		{Recreate: &minigroup.Recreation{}},
		{Recreate: &minigroup.Recreation{LockedChat: new(false), LockedQuestions: new(true)}},
	} {
		if got := roundTrip(t, new(stored.NewChange(c))).Change(); !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, want %+v", got, c)
		}
		p := minigroup.ConferencePatch{Time: c.Time, Reserve: c.Reserve, Host: c.Host}
		if got := roundTrip(t, new(stored.NewPatch(p))).Patch(); !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, want %+v", got, p)
		}
	}
}

func TestAFailureIsReadBackAsItWasStored(t *testing.T) {
	f := &minigroup.Failure{Kind: minigroup.UpstreamRefused, Detail: "no", Upstream: "event", UpstreamType: "denied"}
	if got := roundTrip(t, stored.NewFailure(f)).Failure(nil); !reflect.DeepEqual(got, f) {
		t.Errorf("got %+v, want %+v", got, f)
	}
	if stored.NewFailure(nil) != nil || (*stored.Failure)(nil).Failure(nil) != nil {
		t.Error("nil does not stay nil")
	}
}
