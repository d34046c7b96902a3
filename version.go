// Package minigroups has the version of the service.
package minigroups

import (
	_ "embed"
	"strings"
)

//go:embed VERSION
var version string

// Version returns the semantic version of the service. Between two releases it is that of the next one with -dev.
func Version() string { return strings.TrimSpace(version) }
