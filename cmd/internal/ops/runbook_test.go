package ops

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// printRunbook runs ops runbook without any configuration.
func printRunbook(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, messages bytes.Buffer
	code = run(t.Context(), append([]string{"runbook"}, args...), nil, &out, &messages)
	return code, out.String(), messages.String()
}

func TestTheRunbookIsFoundByAlertHeadingOrLink(t *testing.T) {
	for name, want := range map[string]string{
		"MinigroupsSagasStuck": "## event is down\n", "minigroupssagasstuck": "## event is down\n",
		"event-is-down": "## event is down\n", "Janus is full": "## Janus is full\n",
		"minigroups_lost_attempts-has-risen": "## `minigroups_lost_attempts` has risen\n",
		"many minigroups":                    "## Many minigroups failed\n", "a minigroup failed": "## A minigroup failed\n",
		"room key": "## The room key\n",
	} {
		code, out, messages := printRunbook(t, strings.Fields(name)...)
		if code != exitOK || !strings.HasPrefix(out, want) || strings.Count(out, "\n## ") != 0 || messages != "" {
			t.Errorf("%s: got %d, %.60q, %q, want %q", name, code, out, messages, want)
		}
	}
	for name, want := range map[string]string{
		"no such thing": "no section or alert is named", "gateway": "is in several headings: A gateway is down; ",
	} {
		if code, out, messages := printRunbook(t, name); code != exitUsage || out != "" || !strings.Contains(messages, want) {
			t.Errorf("%s: got %d, %q, %q, want %q", name, code, out, messages, want)
		}
	}
}

func TestEveryAlertHasASectionOfTheRunbook(t *testing.T) {
	code, out, _ := printRunbook(t, "-o", "json")
	var sections []runbookSection
	if err := json.Unmarshal([]byte(out), &sections); err != nil || code != exitOK {
		t.Fatalf("got %d, %v", code, err)
	}
	var listed []string
	for _, s := range sections {
		listed = append(listed, s.Alerts...)
	}
	text, err := os.ReadFile("../../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct{ Rules []struct{ Alert string } }
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	var alerts []string
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
		}
	}
	slices.Sort(alerts)
	slices.Sort(listed)
	if !slices.Equal(alerts, listed) {
		t.Errorf("the alerts are  %v\nsections list %v", alerts, listed)
	}
}
