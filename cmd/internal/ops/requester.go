package ops

import (
	"cmp"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"minigroups/minigroup"
)

// requesterFlags say who interferes and why, for the history of a class.
type requesterFlags struct{ operator, reason string }

func (f *requesterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.reason, "reason", "", "why, for the history of the class")
	flags.StringVar(&f.operator, "operator", "", "who, for the history of the class; default the user of the system")
}

// check returns a usageError if the reason is too long.
func (f *requesterFlags) check() error {
	if n := len([]rune(f.reason)); n > minigroup.MaxReason {
		return &usageError{fmt.Sprintf("--reason has %d characters, may have %d", n, minigroup.MaxReason)}
	}
	return nil
}

// args returns the flags as a command line.
func (f *requesterFlags) args() (args string) {
	if f.reason != "" {
		args += " --reason " + shellQuote(f.reason)
	}
	if f.operator != "" {
		args += " --operator " + shellQuote(f.operator)
	}
	return args
}

// requester returns who interferes, and asks for a reason if none is given.
func (a *app) requester(f requesterFlags) minigroup.Requester {
	if f.reason == "" {
		a.notef("The history will not say why: --reason TEXT does.")
	}
	return minigroup.Requester{Operator: cmp.Or(f.operator, systemUser()), Reason: f.reason}
}

// systemUser returns the name of the user that runs the program, or, if the system does not know it, its id.
func systemUser() string {
	current, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return cmp.Or(current.Username, "user "+current.Uid)
}

// interfering adds the flags of f to a command that interferes, and checks them before it runs.
func interfering(cmd *cobra.Command, f *requesterFlags) *cobra.Command {
	f.register(cmd.Flags())
	cmd.PreRunE = func(*cobra.Command, []string) error { return f.check() }
	return cmd
}
