package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"
)

// tests says which alerts have a unit test that expects them to fire, and which one that expects them to be quiet.
type tests struct{ fires, quiet map[string]bool }

// queried finds the alert whose state a test queries.
var queried = regexp.MustCompile(`^count\(ALERTS\{alertname="(\w+)", alertstate="firing"\}\)$`)

// readTests reads a file of tests for promtool. It returns nil, whose check finds no fault, if there is no file.
func readTests(file string) (*tests, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var content struct {
		Tests []struct {
			Queries []struct {
				Expr    string `yaml:"expr"`
				Samples []any  `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(text, &content); err != nil {
		return nil, err
	}
	t := &tests{fires: map[string]bool{}, quiet: map[string]bool{}}
	for _, group := range content.Tests {
		for _, query := range group.Queries {
			alert := queried.FindStringSubmatch(query.Expr)
			if alert == nil {
				return nil, fmt.Errorf("%s: it does not match %s", query.Expr, queried)
			}
			if len(query.Samples) > 0 {
				t.fires[alert[1]] = true
			} else {
				t.quiet[alert[1]] = true
			}
		}
	}
	return t, nil
}

// check returns an error if the alert lacks one of its two tests.
func (t *tests) check(alert string) error {
	switch {
	case t == nil:
		return nil
	case !t.fires[alert]:
		return errors.New("no test shows it firing")
	case !t.quiet[alert]:
		return errors.New("no test shows it quiet")
	}
	return nil
}
