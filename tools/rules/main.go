// Command rules checks Prometheus rules (.yml) and Grafana dashboards (.json): rules and expressions must parse as
// Prometheus parses them, alerts must have a summary, a severity, a link to their section of the runbook, and two unit
// tests: one in which the alert fires and one in which it is quiet.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	runbook := flag.String("runbook", "", "the runbook to which alerts must link; empty: links are not checked")
	tests := flag.String("tests", "", "the unit tests that alerts must have; empty: they are not checked")
	flag.Parse()
	tested, err := readTests(*tests)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", *tests, err)
		os.Exit(1)
	}
	wrong := 0
	for _, file := range flag.Args() {
		var errs []error
		if filepath.Ext(file) == ".json" {
			errs = checkDashboard(file)
		} else {
			errs = checkRules(file, *runbook, tested)
		}
		for _, err := range errs {
			fmt.Fprintf(os.Stderr, "%s: %v\n", file, err)
			wrong++
		}
	}
	if wrong > 0 {
		os.Exit(1)
	}
}

var promql = parser.NewParser(parser.Options{})

func checkRules(file, runbook string, tested *tests) []error {
	text, err := os.ReadFile(file)
	if err != nil {
		return []error{err}
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, promql, slog.New(slog.DiscardHandler))
	if len(errs) > 0 {
		return errs
	}
	for _, group := range groups.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" {
				continue
			}
			if err := errors.Join(checkAlert(rule, runbook), tested.check(rule.Alert)); err != nil {
				errs = append(errs, fmt.Errorf("alert %s: %w", rule.Alert, err))
			}
		}
	}
	return errs
}

// checkAlert requires the annotations, the severity and the runbook link of an alert.
func checkAlert(rule rulefmt.Rule, runbook string) error {
	for _, name := range []string{"summary", "description", "runbook_url"} {
		if rule.Annotations[name] == "" {
			return fmt.Errorf("it has no %s", name)
		}
	}
	if s := rule.Labels["severity"]; s != "page" && s != "ticket" {
		return fmt.Errorf("its severity is %q, not page or ticket", s)
	}
	if runbook == "" {
		return nil
	}
	return checkLink(rule.Alert, rule.Annotations["runbook_url"], runbook)
}

// runbookAddress begins the links of alerts: the external label with the address at which an installation has the
// runbook.
const runbookAddress = "{{ $externalLabels.runbook }}"

// checkLink requires that the link of an alert leads to a section of the runbook, a file, that names the alert.
func checkLink(alert, link, file string) error {
	address, anchor, _ := strings.Cut(link, "#")
	if address != runbookAddress {
		return fmt.Errorf("runbook_url is %q, not %s#SECTION", link, runbookAddress)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, part := range strings.Split(string(text), "\n## ") {
		heading, body, _ := strings.Cut(part, "\n")
		if anchorOf(heading) != anchor {
			continue
		}
		if !strings.Contains(body, "`"+alert+"`") {
			return fmt.Errorf("%s does not name it under %q", file, heading)
		}
		return nil
	}
	return fmt.Errorf("%s has no heading %q", file, anchor)
}

var notInAnchors = regexp.MustCompile(`[^\pL\pN_ -]`)

// anchorOf returns the anchor that GitHub and GitLab give to a heading.
func anchorOf(heading string) string {
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}

// variables replaces the variables of Grafana by values.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__range", "1h", "$__interval", "1m")

func checkDashboard(file string) (errs []error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return []error{err}
	}
	var dashboard any
	if err := json.Unmarshal(text, &dashboard); err != nil {
		return []error{err}
	}
	found := 0
	walk(dashboard, func(expr string) {
		found++
		if _, err := promql.ParseExpr(variables.Replace(expr)); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", expr, err))
		}
	})
	if found == 0 {
		errs = append(errs, fmt.Errorf("it has no expressions"))
	}
	return errs
}

// walk calls visit with every expression below a value.
func walk(value any, visit func(expr string)) {
	switch value := value.(type) {
	case map[string]any:
		if expr, ok := value["expr"].(string); ok {
			visit(expr)
		}
		for _, below := range value {
			walk(below, visit)
		}
	case []any:
		for _, below := range value {
			walk(below, visit)
		}
	}
}
