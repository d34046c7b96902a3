package config_test

import (
	"errors"
	"strings"
	"testing"

	"minigroups/config"
)

// invalidConfig is a file and a variable with one violation.
type invalidConfig struct {
	file, env string
	// want is the violation; Found and Expected are parts of the actual ones.
	want config.Violation
}

func violation(key, found, expected string) config.Violation {
	return config.Violation{Key: key, Found: found, Expected: expected}
}

// testInvalid demands that loading each case returns its violation, and no secret.
func testInvalid(t *testing.T, cases map[string]invalidConfig) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", c.file), []string{c.env})
			var violations config.Violations
			if !errors.As(err, &violations) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "8472919") {
				t.Errorf("the error contains a secret: %v", err)
			}
			for _, v := range violations {
				if v.Key == c.want.Key && strings.Contains(v.Found, c.want.Found) &&
					strings.Contains(v.Expected, c.want.Expected) {
					return
				}
			}
			t.Errorf("got %v", err)
		})
	}
}

func TestAllViolationsAreReported(t *testing.T) {
	file := "api: {wait: soon, lissen: x}\nlog: {level: loud}\nsaga: {retry_budget: 0s}\n"
	environ := []string{"MINIGROUPS_DATABASE__MAX_CONNS=many"}
	_, err := config.Load(write(t, "config.yaml", file), environ, config.ForWorker...)
	for _, key := range []string{
		"api.wait:", "api.lissen:", "log.level:", "saga.retry_budget:",
		"database.max_conns (MINIGROUPS_DATABASE__MAX_CONNS):",
	} {
		if err == nil || !strings.Contains(err.Error(), "\n  "+key) {
			t.Errorf("%s is missing in %v", key, err)
		}
	}
}
