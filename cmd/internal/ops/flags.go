package ops

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minigroups/minigroup"
)

// keyFrom reads the key of a minigroup from the arguments of a command: a class id, or an audience and a scope.
func keyFrom(args []string) (minigroup.Key, error) {
	if len(args) == 2 {
		for _, wrong := range append(minigroup.CheckName("AUDIENCE", args[0]), minigroup.CheckName("SCOPE", args[1])...) {
			return minigroup.Key{}, &usageError{wrong.Field + " " + wrong.Detail}
		}
		return minigroup.ByScope(args[0], args[1]), nil
	}
	id, err := uuid.Parse(args[0])
	if err != nil {
		return minigroup.Key{}, &usageError{
			fmt.Sprintf("%q is not a class id; pass a class id, or an audience and a scope", args[0]),
		}
	}
	return minigroup.ByID(id), nil
}

// audienceFlag is a flag that takes an audience.
type audienceFlag string

// Set implements pflag.Value.
func (f *audienceFlag) Set(text string) error {
	if wrong := minigroup.CheckName("", text); len(wrong) > 0 {
		return errors.New(wrong[0].Detail)
	}
	*f = audienceFlag(text)
	return nil
}

func (f *audienceFlag) String() string { return string(*f) }

// Type names the accepted values in help texts.
func (f *audienceFlag) Type() string { return "string" }

// timeFlag is a flag that takes a time, or a duration before now.
type timeFlag struct{ at time.Time }

// Set implements pflag.Value.
func (f *timeFlag) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		f.at = time.Now().Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return errors.New("must be a duration such as 24h, or a time such as 2026-01-31T12:00:00Z")
	}
	f.at = at
	return nil
}

func (f *timeFlag) String() string { return formatTimeExactly(f.at) }

// Type names the accepted values in help texts.
func (f *timeFlag) Type() string { return "duration|time" }

// yesFlag adds the flag without which a command only shows what it would change.
func yesFlag(cmd *cobra.Command, yes *bool, shown string) {
	cmd.Flags().BoolVar(yes, "yes", false, "do it; without this, only show "+shown)
}

// countFlag is a flag that takes a number from 0 to 2^31-1.
type countFlag int

// Set implements pflag.Value.
func (f *countFlag) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return errors.New("must be a whole number, 0 or more")
	}
	*f = countFlag(n)
	return nil
}

func (f *countFlag) String() string { return strconv.Itoa(int(*f)) }

// Type names the accepted values in help texts.
func (f *countFlag) Type() string { return "number" }

// formatTimeExactly formats a time so that timeFlag reads back the same time. The zero time is empty.
func formatTimeExactly(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}

// filterFlags are the flags that select failed minigroups.
type filterFlags struct {
	since, before timeFlag
	filter        minigroup.FailedFilter
	kind          string
	limit         countFlag
}

// register adds the flags to a command. limit is the default of --limit, and limitUsage its help text.
func (f *filterFlags) register(flags *pflag.FlagSet, limit countFlag, limitUsage string) {
	f.limit = limit
	flags.Var((*audienceFlag)(&f.filter.Audience), "audience", "only minigroups of this audience")
	flags.Var(&f.since, "since", "only minigroups that failed after this time, or within this duration before now")
	flags.StringVar(&f.kind, "failure", "", "only minigroups that failed for this reason, such as upstream_refused")
	flags.StringVar(&f.filter.Upstream, "upstream", "",
		"only minigroups that failed because of this service: event, conference or janus")
	flags.Var(&f.limit, "limit", limitUsage)
}

// resolve checks the flags and fills the filter.
func (f *filterFlags) resolve() error {
	switch f.filter.Upstream {
	case "", "event", "conference", "janus":
	default:
		return &usageError{fmt.Sprintf("--upstream is %q, must be event, conference or janus", f.filter.Upstream)}
	}
	f.filter.Since, f.filter.Before, f.filter.Kind = f.since.at, f.before.at, minigroup.Kind(f.kind)
	return nil
}

// args returns the flags as a command line that selects the same minigroups whenever it is run: durations have become
// times.
func (f *filterFlags) args() string {
	var out []string
	for name, value := range map[string]string{
		"--audience": f.filter.Audience, "--failure": f.kind, "--upstream": f.filter.Upstream,
		"--since": formatTimeExactly(f.filter.Since), "--failed-before": formatTimeExactly(f.filter.Before),
	} {
		if value != "" {
			out = append(out, name+" "+shellQuote(value))
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// unquoted are the characters that need no quotes in a shell.
const unquoted = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@"

// shellQuote quotes a value as one word of a shell.
func shellQuote(value string) string {
	if value != "" && strings.Trim(value, unquoted) == "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
