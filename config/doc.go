// Package config loads the settings of the programs: built-in defaults, overridden by one YAML file, overridden by the
// environment.
//
// Each setting has a key, the path of its koanf tags, such as api.listen. Its environment variable is
// MINIGROUPS_API__LISTEN: a prefix, then the path in upper case with two underscores between levels. Lists and maps are
// written there as YAML and replace the value of the file:
//
//	MINIGROUPS_AUTHORIZATION='{example.org: {kind: none}}'
//
// DATABASE_URL, TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are supported too; the prefixed variables override them. An
// empty variable counts as unset.
//
// No other package reads the environment, except that cmd/internal/process reads the client profile of Temporal's SDK
// (TEMPORAL_*). Only programs import this package: they pass settings on to packages.
package config
