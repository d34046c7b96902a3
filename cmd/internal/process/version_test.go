package process

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"minigroups"
)

func TestTheCommitIsKnownFromTheCheckoutOrFromTheBuildFlags(t *testing.T) {
	checkout := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Settings: []debug.BuildSetting{
			{Key: "vcs", Value: "git"}, {Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: modified},
		}}
	}
	for name, test := range map[string]struct {
		info           *debug.BuildInfo
		revision, want string // the first is set by build flags
	}{
		"nothing":                 {want: "unknown"},
		"a build without git":     {info: &debug.BuildInfo{}, want: "unknown"},
		"a checkout":              {info: checkout("false"), want: "abc"},
		"a checkout with changes": {info: checkout("true"), want: "abc-dirty"},
		"an image":                {info: &debug.BuildInfo{}, revision: "def", want: "def"},
		"a release":               {info: checkout("false"), revision: "def", want: "def"},
	} {
		t.Run(name, func(t *testing.T) {
			Revision = test.revision
			t.Cleanup(func() { Revision = "" })
			if got := revision(test.info, test.info != nil); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTheBuildIsInTheMetrics(t *testing.T) {
	Revision = "abc"
	t.Cleanup(func() { Revision = "" })
	want := fmt.Sprintf(`
# HELP minigroups_build_info Always 1. The labels say what this program was built from.
# TYPE minigroups_build_info gauge
minigroups_build_info{go=%q,revision="abc",version=%q} 1
`, runtime.Version(), minigroups.Version())
	if err := testutil.CollectAndCompare(newBuildInfo(), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
