package process

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

var (
	// Version and Revision say what a program was built from. Builds of images and releases set them, by
	// -ldflags "-X minigroups/cmd/internal/process.Version=… -X minigroups/cmd/internal/process.Revision=…". In other
	// builds they are empty.
	Version string
	// Revision is the commit.
	Revision string
)

// Built returns, in one line, what this program was built from.
func Built() string {
	version, revision := build(debug.ReadBuildInfo())
	return fmt.Sprintf("%s (revision %s, %s)", version, revision, runtime.Version())
}

// build returns the version and the revision of this program. What the build has not set is what the go command records
// of a checkout: the version from its tags, and its commit, followed by -dirty if files were changed. The go command
// records neither without git, in a linked worktree, or with -buildvcs=false.
func build(info *debug.BuildInfo, ok bool) (version, revision string) {
	version, revision = "unknown", "unknown"
	if ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			version = v
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		if r := settings["vcs.revision"]; r != "" {
			revision = r
		}
		if settings["vcs.modified"] == "true" {
			revision += "-dirty"
		}
	}
	if Version != "" {
		version = Version
	}
	if Revision != "" {
		revision = Revision
	}
	return version, revision
}
