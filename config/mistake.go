package config

import (
	"fmt"
	"sort"
	"strings"
)

// Mistake is one thing that is wrong with the configuration.
type Mistake struct {
	// Key is the key it is about, and the variable that set it, if one did.
	Key string
	// Found is what stands there; never a secret.
	Found string
	// Expected is what should.
	Expected string
}

func (m Mistake) String() string {
	return fmt.Sprintf("%s: found %s, expected %s", m.Key, m.Found, m.Expected)
}

// Mistakes is the error of Load and Check: everything that is wrong, by key.
type Mistakes []Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, mistake := range m {
		lines[i] = mistake.String()
	}
	return "configuration:\n  " + strings.Join(lines, "\n  ")
}

func (m *Mistakes) add(key, found, expected string) {
	*m = append(*m, Mistake{Key: key, Found: found, Expected: expected})
}

func (m Mistakes) err() error {
	if len(m) == 0 {
		return nil
	}
	sort.SliceStable(m, func(i, j int) bool { return m[i].Key < m[j].Key })
	return m
}
