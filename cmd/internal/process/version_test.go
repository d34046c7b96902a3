package process

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestTheBuildIsKnownFromTheCheckoutOrFromTheBuildFlags(t *testing.T) {
	checkout := func(version, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified},
		}}
	}
	withoutGit := &debug.BuildInfo{Main: debug.Module{Version: "(devel)"}}
	for name, test := range map[string]struct {
		info              *debug.BuildInfo
		version, revision string // set by build flags
		want              [2]string
	}{
		"nothing":                 {want: [2]string{"unknown", "unknown"}},
		"a build without git":     {info: withoutGit, want: [2]string{"unknown", "unknown"}},
		"a checkout":              {info: checkout("v1.2.3", "false"), want: [2]string{"v1.2.3", "abc"}},
		"a checkout with changes": {info: checkout("v1.2.3+dirty", "true"), want: [2]string{"v1.2.3+dirty", "abc-dirty"}},
		"an image": {
			info: withoutGit, version: "v1.2.3", revision: "def", want: [2]string{"v1.2.3", "def"},
		},
		"a release": {info: checkout("v1.2.3", "false"), version: "v9", revision: "def", want: [2]string{"v9", "def"}},
	} {
		t.Run(name, func(t *testing.T) {
			Version, Revision = test.version, test.revision
			t.Cleanup(func() { Version, Revision = "", "" })
			version, revision := build(test.info, test.info != nil)
			if got := [2]string{version, revision}; got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheBuildIsInTheMetrics(t *testing.T) {
	Version, Revision = "v1.2.3", "abc"
	t.Cleanup(func() { Version, Revision = "", "" })
	want := fmt.Sprintf(`
# HELP minigroups_build_info Always 1. The labels say what this program was built from.
# TYPE minigroups_build_info gauge
minigroups_build_info{go=%q,revision="abc",version="v1.2.3"} 1
`, runtime.Version())
	if err := testutil.CollectAndCompare(newBuildInfo(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
