package config

import (
	"fmt"
	"sort"
	"strings"
)

// Violation is one invalid or missing setting.
type Violation struct {
	// Key is the key of the setting, followed by the variable that set it, if any.
	Key string
	// Found describes the current value. It never contains a secret.
	Found string
	// Expected describes valid values.
	Expected string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: found %s, expected %s", v.Key, v.Found, v.Expected)
}

// Violations is the error that Load and Check return: all violations, sorted by key.
type Violations []Violation

func (v Violations) Error() string {
	lines := make([]string, len(v))
	for i, violation := range v {
		lines[i] = violation.String()
	}
	return "configuration:\n  " + strings.Join(lines, "\n  ")
}

func (v *Violations) add(key, found, expected string) {
	*v = append(*v, Violation{Key: key, Found: found, Expected: expected})
}

func (v Violations) err() error {
	if len(v) == 0 {
		return nil
	}
	sort.SliceStable(v, func(i, j int) bool { return v[i].Key < v[j].Key })
	return v
}
