// Package config is the one place where this system learns what it is told
// from outside: built-in defaults, then one YAML file, then the environment,
// each overruling the one before.
//
// Every value has a key, the path of its koanf tags: api.listen. In the
// environment the same key is MINIGROUPS_API__LISTEN: the prefix, then the
// path in upper case with two underscores between levels. A list or a map is
// written there as YAML and replaces the one of the file:
//
//	MINIGROUPS_AUTHORIZATION='{example.org: {kind: none}}'
//
// DATABASE_URL, TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE are understood too; the
// prefixed names overrule them. A variable that is set to nothing counts as
// not set.
//
// No other package reads the environment, and only programs import this one:
// what a package needs is handed to it.
package config
