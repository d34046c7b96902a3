// Package openapi has tests alone: they validate openapi.yaml, and against it every exchange of the tests of httpapi.
package openapi
