package main

import (
	"strings"
	"testing"
)

func TestTheNameOrTheFirstArgumentChoosesTheProgram(t *testing.T) {
	var got string
	all := programs
	t.Cleanup(func() { programs = all })
	programs = map[string]func([]string) int{
		"api": func(args []string) int { got = "api " + strings.Join(args, " "); return 3 },
		"ops": func(args []string) int { got = "ops " + strings.Join(args, " "); return 4 },
	}
	for line, want := range map[string]string{
		"/bin/api -version":              "api -version",
		"minigroups ops show api":        "ops show api",
		"/usr/bin/minigroups api":        "api ",
		"/bin/ops api":                   "ops api",
		"minigroups":                     "",
		"minigroups -config f.yaml api":  "",
		"minigroups worker -config=file": "",
	} {
		got = ""
		var stderr strings.Builder
		code := run(strings.Fields(line), &stderr)
		if got != want {
			t.Errorf("%s runs %q, want %q", line, got, want)
		}
		if want == "" && (code != 2 || stderr.String() != "usage: minigroups api|ops [arguments]\n") {
			t.Errorf("%s ends with %d and prints %q", line, code, stderr.String())
		}
	}
}
