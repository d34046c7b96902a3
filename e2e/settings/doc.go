// Package settings has tests alone: they validate settings files against docs/configuration.schema.json.
package settings
