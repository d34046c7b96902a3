package ops

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTableCellsStayOnOneLine(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out}
	err := a.print(nil, func(t *table) {
		t.row("SCOPE", "HOST")
		t.row("a\tb\nc\x1b[2J\u009b", "")
		t.row("Ж/7", "h")
	})
	if want := "SCOPE      HOST\na b c [2J  -\nЖ/7        h\n"; err != nil || out.String() != want {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestJSONOutputIsOneDocument(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, format: "json"}
	if err := a.print(stuckReport{Sagas: []openSaga{{Scope: "a<b"}}}, nil); err != nil {
		t.Fatal(err)
	}
	var back stuckReport
	err := json.Unmarshal(out.Bytes(), &back)
	if err != nil || len(back.Sagas) != 1 || !strings.Contains(out.String(), `"a<b"`) {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

func TestNamesInArgumentsMustBeInNFC(t *testing.T) {
	for want, args := range map[string][]string{
		"AUDIENCE must be in Unicode": {"cafe\u0301", "s"}, "SCOPE must be in Unicode": {"a", "cafe\u0301"},
		"SCOPE must not be empty": {"a", ""},
	} {
		var usage *usageError
		if _, err := keyFrom(args); !errors.As(err, &usage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
	var f audienceFlag
	if err := f.Set("cafe\u0301"); err == nil || !strings.Contains(err.Error(), "must be in Unicode") || f != "" {
		t.Errorf("got %v, %q", err, f)
	}
	if err := f.Set("caf\u00e9"); err != nil || f != "caf\u00e9" {
		t.Errorf("got %v, %q", err, f)
	}
}

func TestFilterFlagsSelectTheSameWhenRunLater(t *testing.T) {
	f := filterFlags{kind: "upstream_refused"}
	f.filter.Audience, f.filter.Upstream = "it's one", "janus"
	for flag, text := range map[*timeFlag]string{&f.since: "24h", &f.before: "2026-01-31T13:00:00.123456+01:00"} {
		if err := flag.Set(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.resolve(); err != nil {
		t.Fatal(err)
	}
	want := `--audience 'it'\''s one' --failed-before 2026-01-31T12:00:00.123456Z --failure upstream_refused --since ` +
		f.filter.Since.UTC().Format(time.RFC3339Nano) + ` --upstream janus`
	if got := f.args(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, text := range []string{"", "soon", "-1h", "2026-01-31"} {
		if err := new(timeFlag).Set(text); err == nil {
			t.Errorf("%q is accepted as a time", text)
		}
	}
}

func TestConfigIsAcceptedWithOneDash(t *testing.T) {
	got := acceptSingleDash([]string{"-config", "x", "-config=x", "--config", "-o", "json", "-c"})
	if want := []string{"--config", "x", "--config=x", "--config", "-o", "json", "-c"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
