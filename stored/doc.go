// Package stored holds the JSON forms in which drafts, changes and failures are kept: in the histories of workflows and
// in the jsonb columns of Postgres. Both outlive the code that wrote them, so the forms are kept apart from the types
// of package minigroup and converted here.
package stored
