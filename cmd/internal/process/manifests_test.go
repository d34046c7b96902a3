package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"minigroups/config"
)

const (
	root   = "../../.."
	deploy = root + "/deploy"
)

// program is a container that runs one of our programs, as a manifest describes it.
type program struct {
	name    string
	environ []string
	// file is its configuration file.
	file string
	// ports are the declared container ports; nil if the manifest declares none.
	ports []int
	grace time.Duration
}

var required = map[string][]string{"api": config.ForAPI, "worker": config.ForWorker, "migrate": config.ForMigrate}

// TestManifestsMatchTheConfiguration loads the settings of each manifest as the program would, and compares ports and
// grace periods.
func TestManifestsMatchTheConfiguration(t *testing.T) {
	places := map[string][]program{"compose": inCompose(t)}
	files, err := filepath.Glob(deploy + "/helm/minigroups/ci/*-values.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no values of the chart: %v", err)
	}
	for _, file := range files {
		places[filepath.Base(file)] = inChart(t, file)
	}
	for place, programs := range places {
		seen := map[string]bool{}
		for _, p := range programs {
			t.Run(place+" "+p.name, func(t *testing.T) {
				for _, role := range p.check(t) {
					seen[role] = true
				}
			})
		}
		for name := range required {
			if !seen[name] {
				t.Errorf("%s runs no %s", place, name)
			}
		}
	}
}

// check returns what the program does: an API that carries out sagas is a worker, too.
func (p program) check(t *testing.T) (roles []string) {
	cfg, err := p.load(t)
	if err != nil {
		t.Fatal(err)
	}
	roles = []string{p.name}
	if p.name == "api" && cfg.API.Worker {
		roles = append(roles, "worker")
		if err := cfg.Check(config.ForWorker...); err != nil {
			t.Error(err)
		}
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
	for _, role := range roles {
		if p.grace < shutdown[role] {
			t.Errorf("its grace period is %s, its shutdown as %s takes up to %s", p.grace, role, shutdown[role])
		}
	}
	return roles
}

// load loads the settings with empty files for keys and certificates.
func (p program) load(t *testing.T) (config.Config, error) {
	t.Helper()
	text, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	for _, name := range append(keyFiles(t), "ca.crt") {
		for _, volume := range []string{"", "minigroups", "mqtt"} {
			file := filepath.Join(secrets, volume, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	inFiles := strings.NewReplacer("/run/secrets", secrets)
	file := filepath.Join(t.TempDir(), "minigroups.yaml")
	if err := os.WriteFile(file, []byte(inFiles.Replace(string(text))), 0o600); err != nil {
		t.Fatal(err)
	}
	var environ []string
	for _, variable := range p.environ {
		environ = append(environ, inFiles.Replace(variable))
	}
	return config.Load(file, environ, required[p.name]...)
}

// TestComposePublishesNoMetricsPort looks at the ports of Compose. The check of the chart looks at its Services.
func TestComposePublishesNoMetricsPort(t *testing.T) {
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
			name: service.Command[0], file: filepath.Join(deploy, "compose", "minigroups.yaml"),
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

// workload is what the test reads of a Deployment, StatefulSet, Job or WorkerDeployment.
type workload struct {
	Spec struct {
		Template struct {
			Spec struct {
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
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

// inChart returns the programs that the chart renders with a file of values.
func inChart(t *testing.T, values string) (programs []program) {
	t.Helper()
	var settings struct{ Data map[string]string }
	var workloads []workload
	decodeAll(t, values, bytes.NewReader(renderChart(t, values)), func(decode func(any) error) error {
		var object struct{ Kind string }
		if err := decode(&object); err != nil {
			return err
		}
		switch object.Kind {
		case "ConfigMap":
			var m struct{ Data map[string]string }
			if err := decode(&m); err != nil || m.Data["minigroups.yaml"] == "" {
				return err
			}
			settings = m
		case "Deployment", "StatefulSet", "Job", "WorkerDeployment":
			var w workload
			workloads = append(workloads, w)
			return decode(&workloads[len(workloads)-1])
		}
		return nil
	})
	file := filepath.Join(t.TempDir(), "minigroups.yaml")
	if err := os.WriteFile(file, []byte(settings.Data["minigroups.yaml"]), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, w := range workloads {
		pod := w.Spec.Template.Spec
		for _, c := range pod.Containers {
			p := program{
				name: c.Command[0], file: file,
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
			programs = append(programs, p)
		}
	}
	return programs
}

// renderChart returns the objects of the chart with a file of values.
func renderChart(t *testing.T, values string) []byte {
	t.Helper()
	tool := filepath.Join(root, "tools", "deploy")
	file, err := filepath.Abs(values)
	if err != nil {
		t.Fatal(err)
	}
	render := exec.CommandContext(t.Context(), "go", "run", "-C", tool, ".", "-render", file, "../../deploy")
	var errs bytes.Buffer
	render.Stderr = &errs
	out, err := render.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", render, err, errs.String())
	}
	return out
}

// read decodes each document of a YAML file.
func read(t *testing.T, file string, each func(decode func(any) error) error) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decodeAll(t, file, bytes.NewReader(text), each)
}

func decodeAll(t *testing.T, file string, text io.Reader, each func(decode func(any) error) error) {
	t.Helper()
	decoder := yaml.NewDecoder(text)
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
