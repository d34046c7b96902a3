package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/pflag"

	"minigroups/minigroup"
)

// nameOf reads which minigroup is meant: its class id, or its audience and scope.
func nameOf(args []string) (uuid.UUID, error) {
	if len(args) == 2 {
		return minigroup.ClassID(args[0], args[1]), nil
	}
	id, err := uuid.Parse(args[0])
	if err != nil {
		return id, &usageError{fmt.Sprintf("%q is no class id; a minigroup is named by its class id, or by its audience and scope", args[0])}
	}
	return id, nil
}

// since is a flag that takes a moment, or how long ago it was.
type since struct{ at time.Time }

// Set, String and Type make it a flag.
func (s *since) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		s.at = time.Now().Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return errors.New("must be a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
	}
	s.at = at
	return nil
}

func (s *since) String() string { return exactly(s.at) }

// Type names what the flag takes.
func (s *since) Type() string { return "duration|time" }

// count is a flag that takes a number from 0.
type count int

// Set, String and Type make it a flag.
func (c *count) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("must be a whole number from 0")
	}
	*c = count(n)
	return nil
}

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Type names what the flag takes.
func (c *count) Type() string { return "number" }

// exactly is a time from which the same time can be read again.
func exactly(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// which are the flags that say which failed minigroups are meant.
type which struct {
	since, before since
	filter        minigroup.FailedFilter
	kind          string
	limit         count
}

func (w *which) define(flags *pflag.FlagSet, limit count, limitMeans string) {
	w.limit = limit
	flags.StringVar(&w.filter.Audience, "audience", "", "only those of this audience")
	flags.Var(&w.since, "since", "only those that have failed since then, or in so long")
	flags.StringVar(&w.kind, "reason", "", "only those with this failure, such as upstream_refused")
	flags.StringVar(&w.filter.Upstream, "upstream", "", "only those that failed by this service: event, conference or janus")
	flags.Var(&w.limit, "limit", limitMeans)
}

func (w *which) read() error {
	switch w.filter.Upstream {
	case "", "event", "conference", "janus":
	default:
		return &usageError{fmt.Sprintf("--upstream is %q, must be event, conference or janus", w.filter.Upstream)}
	}
	w.filter.Since, w.filter.Before, w.filter.Kind = w.since.at, w.before.at, minigroup.Kind(w.kind)
	return nil
}

// args are the flags that mean the same minigroups again, whenever they are read.
func (w *which) args() string {
	var out []string
	for name, value := range map[string]string{
		"--audience": w.filter.Audience, "--reason": w.kind, "--upstream": w.filter.Upstream,
		"--since": exactly(w.filter.Since), "--failed-before": exactly(w.filter.Before),
	} {
		if value != "" {
			out = append(out, name+" "+quote(value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// plain is what a shell takes as it is.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@"

// quote makes a word of a shell from a value.
func quote(value string) string {
	if value != "" && strings.Trim(value, plain) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
