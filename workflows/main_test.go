package workflows_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"minigroups/storage/storagetest"
)

func TestMain(m *testing.M) {
	// The tests wait more than they compute.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(storagetest.Main(m))
}
