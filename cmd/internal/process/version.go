package process

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"minigroups"
)

// Revision is the commit that a program was built from. Builds of images and releases set it, by
// -ldflags "-X minigroups/cmd/internal/process.Revision=…". In other builds it is empty.
var Revision string

// Built returns, in one line, what this program was built from.
func Built() string {
	return fmt.Sprintf("%s (revision %s, %s)", minigroups.Version(), revision(debug.ReadBuildInfo()), runtime.Version())
}

// revision returns the commit of this program. If the build has not set it, it is what the go command records of a
// checkout, followed by -dirty if files were changed. The go command records nothing without git, in a linked worktree,
// or with -buildvcs=false.
func revision(info *debug.BuildInfo, ok bool) string {
	settings := map[string]string{}
	if ok {
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
	}
	switch r := cmp.Or(Revision, settings["vcs.revision"], "unknown"); {
	case Revision == "" && settings["vcs.modified"] == "true":
		return r + "-dirty"
	default:
		return r
	}
}
