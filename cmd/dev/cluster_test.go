package main

import (
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// clusterMachine is machine, with free ports for a cluster.
func clusterMachine(t *testing.T) (ws workspace, environ []string) {
	t.Helper()
	for range 20 {
		ws, environ = machine(t)
		prepared, err := ws.cluster().prepare()
		if err != nil {
			t.Fatal(err)
		}
		p, err := newPlan(prepared, clustered, environ)
		if err != nil {
			t.Fatal(err)
		}
		if p.checkPorts() == nil {
			return ws, environ
		}
	}
	t.Fatal("no free ports for a cluster")
	return ws, environ
}

func TestCluster(t *testing.T) {
	ws, environ := clusterMachine(t)
	out, end := start(t, ws, environ, "cluster")
	reply := runCurl(t, out)
	if !strings.Contains(reply, " 201 ") || !strings.Contains(reply, `"status":"real-time"`) {
		t.Errorf("got %s", reply)
	}
	ui := regexp.MustCompile(`Temporal UI +(http://\S+)`).FindStringSubmatch(out.String())
	if ui == nil {
		t.Fatalf("no address of the UI is printed:\n%s", out)
	}
	page, err := http.Get(ui[1])
	if err != nil {
		t.Fatal(err)
	}
	if _ = page.Body.Close(); page.StatusCode != http.StatusOK {
		t.Errorf("the UI answers %s", page.Status)
	}
	counts := map[string]int{}
	for _, line := range children(t, ws) {
		program, _, _ := strings.Cut(line, " ")
		counts[filepath.Base(program)]++
	}
	if counts["api"] != 2 || counts["worker"] != 3 || counts["temporal-server"] != 1 {
		t.Errorf("running are %v", counts)
	}
	token := []string{"cluster", "token"}
	if err := run(t.Context(), t.Context(), ws, token, environ, io.Discard); err != nil {
		t.Errorf("no token: %v", err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if left := children(t, ws); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}
