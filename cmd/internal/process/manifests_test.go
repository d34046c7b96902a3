package process

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"minigroups/config"
)

const deploy = "../../../deploy"

// program is a container that runs one of our programs, as a manifest describes it.
type program struct {
	name    string
	environ []string
	// file is its configuration file, and secrets the folder that holds its keys.
	file, secrets string
	// ports are the declared container ports; nil if the manifest declares none.
	ports []int
	grace time.Duration
}

var required = map[string][]string{"api": config.ForAPI, "worker": config.ForWorker, "migrate": config.ForMigrate}

// TestManifestsMatchTheConfiguration loads the settings of each manifest as the program would, and compares ports and
// grace periods.
func TestManifestsMatchTheConfiguration(t *testing.T) {
	for place, programs := range map[string][]program{"compose": inCompose(t), "kubernetes": inKubernetes(t)} {
		seen := map[string]bool{}
		for _, p := range programs {
			t.Run(place+" "+p.name, func(t *testing.T) { p.check(t) })
			seen[p.name] = true
		}
		if len(seen) < len(required) {
			t.Errorf("%s has only %v", place, seen)
		}
	}
}

func (p program) check(t *testing.T) {
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	for _, name := range keyFiles(t) {
		if err := os.WriteFile(filepath.Join(keys, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "minigroups.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), p.secrets, keys)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, p.environ, required[p.name]...)
	if err != nil {
		t.Fatal(err)
	}
	listens := map[string][]string{
		"api":    {cfg.API.Listen, cfg.API.MetricsListen},
		"worker": {cfg.Worker.MetricsListen},
	}
	for _, address := range listens[p.name] {
		host, port, _ := net.SplitHostPort(address)
		if host != "" || p.ports != nil && !slices.Contains(p.ports, number(t, port)) {
			t.Errorf("it listens on %s, the manifest declares %v", address, p.ports)
		}
	}
	// The shutdown of the API and the worker; the API gives its last answers 20 s.
	shutdown := map[string]time.Duration{
		"api":    cfg.API.DrainDelay + 20*time.Second,
		"worker": cfg.Saga.StepWait + time.Second + cfg.Saga.RequestTimeout,
	}
	if p.grace < shutdown[p.name] {
		t.Errorf("its grace period is %s, its shutdown takes up to %s", p.grace, shutdown[p.name])
	}
}

// TestNoManifestPublishesTheMetricsPort looks at the Services of Kubernetes and the ports of Compose.
func TestNoManifestPublishesTheMetricsPort(t *testing.T) {
	services := 0
	for _, file := range []string{"api.yaml", "worker.yaml", "migrate.yaml", "monitoring.yaml"} {
		read(t, filepath.Join(deploy, "kubernetes", file), func(decode func(any) error) error {
			var object struct {
				Kind string
				Spec struct {
					Ports []struct {
						TargetPort string `yaml:"targetPort"`
					}
				}
			}
			if err := decode(&object); err != nil || object.Kind != "Service" {
				return err
			}
			services++
			for _, port := range object.Spec.Ports {
				if port.TargetPort != "http" {
					t.Errorf("%s publishes the port %s", file, port.TargetPort)
				}
			}
			return nil
		})
	}
	if services != 2 {
		t.Errorf("there are %d Services", services)
	}
	var manifest struct {
		Services map[string]struct {
			Command []string
			Ports   []string
		}
	}
	read(t, filepath.Join(deploy, "compose.yaml"), func(decode func(any) error) error { return decode(&manifest) })
	for name, service := range manifest.Services {
		if len(service.Command) == 0 || required[service.Command[0]] == nil {
			continue
		}
		for _, port := range service.Ports {
			if !strings.HasSuffix(port, ":8080") {
				t.Errorf("compose.yaml: %s publishes %s", name, port)
			}
		}
	}
}

func number(t *testing.T, port string) (n int) {
	t.Helper()
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// keyFiles are the names of the key files that deploy/README.md and secrets.sh create.
func keyFiles(t *testing.T) (names []string) {
	t.Helper()
	for file, pattern := range map[string]string{
		"README.md": `--from-file=([^=\s]+)=`, "compose/secrets.sh": `-out secrets/(\S+)`,
	} {
		text, err := os.ReadFile(filepath.Join(deploy, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			names = append(names, match[1])
		}
	}
	return names
}

// setting returns name=value. The value of a secret, which the manifest does not contain, becomes a valid
// placeholder.
func setting(name, value string) string {
	if value == "" {
		value = "secret"
		if name == config.Variable("database.url") {
			value = "postgres://user:secret@host/name"
		}
	}
	return name + "=" + value
}

func inCompose(t *testing.T) (programs []program) {
	var manifest struct {
		Services map[string]struct {
			Command     []string
			Environment map[string]string
			Grace       string `yaml:"stop_grace_period"`
		}
	}
	read(t, filepath.Join(deploy, "compose.yaml"), func(decode func(any) error) error { return decode(&manifest) })
	for _, service := range manifest.Services {
		if len(service.Command) == 0 || required[service.Command[0]] == nil {
			continue
		}
		p := program{
			name: service.Command[0], file: filepath.Join(deploy, "compose", "minigroups.yaml"), secrets: "/run/secrets",
		}
		p.grace, _ = time.ParseDuration(service.Grace)
		for name, value := range service.Environment {
			if name != "MINIGROUPS_CONFIG" {
				p.environ = append(p.environ, setting(name, regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllString(value, "")))
			}
		}
		programs = append(programs, p)
	}
	return programs
}

// workload is what the test reads of a Deployment, StatefulSet or Job.
type workload struct {
	Spec struct {
		Template struct {
			Spec struct {
				Grace        int   `yaml:"terminationGracePeriodSeconds"`
				ServiceLinks *bool `yaml:"enableServiceLinks"`
				Containers   []struct {
					Command []string
					Env     []struct{ Name, Value string }
					Ports   []struct {
						ContainerPort int `yaml:"containerPort"`
					}
				}
			}
		}
	}
}

func inKubernetes(t *testing.T) (programs []program) {
	folder := filepath.Join(deploy, "kubernetes")
	for _, file := range []string{"api.yaml", "worker.yaml", "migrate.yaml"} {
		read(t, filepath.Join(folder, file), func(decode func(any) error) error {
			var w workload
			if err := decode(&w); err != nil {
				return err
			}
			pod := w.Spec.Template.Spec
			for _, c := range pod.Containers {
				p := program{
					name: c.Command[0], file: filepath.Join(folder, "minigroups.yaml"), secrets: "/run/secrets/minigroups",
					grace: time.Duration(pod.Grace) * time.Second,
				}
				for _, e := range c.Env {
					if e.Name != "MINIGROUPS_CONFIG" {
						p.environ = append(p.environ, setting(e.Name, e.Value))
					}
				}
				for _, port := range c.Ports {
					p.ports = append(p.ports, port.ContainerPort)
				}
				if pod.ServiceLinks == nil || *pod.ServiceLinks { // Kubernetes then sets variables for each Service
					p.environ = append(p.environ, "MINIGROUPS_API_SERVICE_HOST=10.0.0.1")
				}
				programs = append(programs, p)
			}
			return nil
		})
	}
	return programs
}

// read decodes each document of a YAML file.
func read(t *testing.T, file string, each func(decode func(any) error) error) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	decoder := yaml.NewDecoder(f)
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return
		}
		if err = errors.Join(err, each(document.Decode)); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}
