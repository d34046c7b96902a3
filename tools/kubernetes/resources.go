package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// definitions are the files with CustomResourceDefinitions in the modules of the projects that define them. The modules
// are no requirements of this one, because nothing is compiled of them. Temporal's Worker Controller has none that the
// module proxy serves.
var definitions = []struct {
	module string
	files  []string
	kind   schema.GroupVersionKind // one of them
}{
	{
		module: "github.com/prometheus-operator/prometheus-operator@v0.85.0",
		files: []string{
			"example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
			"example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
		},
		kind: schema.GroupVersionKind{Group: "monitoring.coreos.com", Version: "v1", Kind: "PrometheusRule"},
	},
	{
		module: "github.com/kedacore/keda/v2@v2.21.0",
		files: []string{
			"config/crd/bases/keda.sh_scaledobjects.yaml", "config/crd/bases/keda.sh_triggerauthentications.yaml",
		},
		kind: schema.GroupVersionKind{Group: "keda.sh", Version: "v1alpha1", Kind: "TriggerAuthentication"},
	},
}

// defineResources defines the custom resources and waits up to a minute until the API server serves them.
func (c *cluster) defineResources(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, definition := range definitions {
		dir, err := download(ctx, definition.module)
		if err != nil {
			return err
		}
		for _, file := range definition.files {
			if err := c.define(ctx, filepath.Join(dir, file)); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for _, definition := range definitions {
		for {
			c.mapper.Reset()
			_, err := c.mapper.RESTMapping(definition.kind.GroupKind(), definition.kind.Version)
			if err == nil {
				break
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("the API server does not serve %s: %w", definition.kind, err)
			}
		}
	}
	return nil
}

func (c *cluster) define(ctx context.Context, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	objects, err := parse(string(text))
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := c.patch(ctx, "", object, false); err != nil {
			return err
		}
	}
	_ = c.warnings.take() // about definitions that are not ours
	return nil
}

// download returns the folder of a module, which the go command downloads and verifies.
func download(ctx context.Context, module string) (string, error) {
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	download.Stderr = os.Stderr
	text, err := download.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(text, &answer); jsonErr != nil || answer.Dir == "" {
		return "", fmt.Errorf("download %s: %s (%w)", module, answer.Error, err)
	}
	return answer.Dir, nil
}
