package ops

import (
	"bytes"
	"os/user"
	"strings"
	"testing"

	"minigroups/minigroup"
)

func TestWhoInterferesAndWhy(t *testing.T) {
	current, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags requesterFlags
		want  minigroup.Requester
		args  string
		asks  bool
	}{
		{want: minigroup.Requester{Operator: current.Username}, asks: true},
		{
			flags: requesterFlags{operator: "ada", reason: "it's late"},
			want:  minigroup.Requester{Operator: "ada", Reason: "it's late"},
			args:  ` --reason 'it'\''s late' --operator ada`,
		},
	} {
		var notes bytes.Buffer
		a := app{err: &notes}
		if got := a.requester(c.flags); got != c.want || strings.Contains(notes.String(), "--reason") != c.asks {
			t.Errorf("got %+v, and printed %q", got, notes.String())
		}
		if got := c.flags.args(); got != c.args {
			t.Errorf("the flags are %q, want %q", got, c.args)
		}
	}
	for _, args := range [][]string{
		{"cancel", "a", "b"}, {"retry", "a", "b"}, {"fail-update", "a", "b"}, {"release"}, {"outbox"}, {"erase", "a", "b"},
	} {
		args = append(args, "--reason", strings.Repeat("я", minigroup.MaxReason+1))
		var errs bytes.Buffer
		if code := run(t.Context(), args, nil, &bytes.Buffer{}, &errs); code != exitUsage ||
			!strings.Contains(errs.String(), "--reason has 501 characters") {
			t.Errorf("ops %s ends with %d: %s", args[0], code, &errs)
		}
	}
}
