package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestProbesAreAnswered sends the probes that the Helm chart has.
func TestProbesAreAnswered(t *testing.T) {
	render := exec.CommandContext(t.Context(), "go", "run", "-C", "../tools/deploy", ".",
		"-render", "../../deploy/helm/minigroups/ci/minimal-values.yaml", "../../deploy")
	render.Stderr = os.Stderr
	chart, err := render.Output()
	if err != nil {
		t.Fatal(err)
	}
	probe := regexp.MustCompile(`httpGet: \{path: (\S+), port: (\w+)\}`)
	for program, ports := range map[string]map[string]string{
		"api":    {"http": sut.api, "metrics": "http://" + sut.cfg.API.MetricsListen},
		"worker": {"metrics": "http://" + sut.cfg.Worker.MetricsListen},
	} {
		_, container, _ := strings.Cut(string(chart), "command: ["+program+"]")
		object, _, _ := strings.Cut(container, "\n---")
		probes := probe.FindAllStringSubmatch(object, -1)
		if len(probes) != 3 {
			t.Errorf("%s has probes %q", program, probes)
		}
		eventually(t, func() error { // the process may have started just now
			if code, err := status(t, ports["metrics"]+"/metrics"); err != nil || code != http.StatusOK {
				return fmt.Errorf("%s answers /metrics with %d, %w", program, code, err)
			}
			return nil
		})
		for _, p := range probes {
			if code, err := status(t, ports[p[2]]+p[1]); err != nil || code != http.StatusOK {
				t.Errorf("%s answers %s with %d, %v", program, p[0], code, err)
			}
		}
	}
}
