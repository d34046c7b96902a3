package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	document "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// object is a rendered object.
type object struct {
	kind string // with the API version
	name string
	text []byte
}

func chartFolder(dir string) string { return filepath.Join(dir, "helm", "minigroups") }

// render renders the chart as "helm install minigroups --namespace minigroups" does.
func render(chart string, values map[string]any) ([]object, error) {
	c, err := loader.LoadDir(chart)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "minigroups", Namespace: "minigroups", Revision: 1, IsInstall: true}
	all, err := util.ToRenderValues(c, values, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Engine{}.RenderWithContext(context.Background(), c, all)
	if err != nil {
		return nil, err
	}
	var objects []object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if filepath.Ext(name) != ".yaml" {
			continue
		}
		found, err := split(files[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// split returns the objects of a rendered file.
func split(text string) (objects []object, err error) {
	documents := document.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		var head struct {
			meta.TypeMeta   `json:",inline"`
			meta.ObjectMeta `json:"metadata"`
		}
		if err := yaml.Unmarshal(text, &head); err != nil {
			return nil, err
		}
		if head.Kind == "" { // a file whose objects are not wanted
			continue
		}
		objects = append(objects, object{
			kind: head.APIVersion + " " + head.Kind, name: head.Name, text: bytes.TrimPrefix(text, []byte("---\n")),
		})
	}
}

func readValues(file string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	return values, yaml.UnmarshalStrict(text, &values)
}

func printChart(dir, file string) error {
	values, err := readValues(file)
	if err != nil {
		return err
	}
	objects, err := render(chartFolder(dir), values)
	for _, o := range objects {
		fmt.Printf("---\n%s\n", bytes.TrimSpace(o.text))
	}
	return err
}

// checkChart lints and renders the chart with each file of values in its folder ci, and checks the objects. It checks
// that the chart refuses values that cannot work.
func checkChart(dir string, wrong *mistakes) error {
	chart := chartFolder(dir)
	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err == nil && len(files) == 0 {
		err = errors.New("there are no values to check the chart with")
	}
	if err != nil {
		return err
	}
	secrets, err := createdSecrets(filepath.Join(dir, "README.md"))
	if err != nil {
		return err
	}
	checkLint(chart, "default values", map[string]any{}, wrong)
	for _, file := range files {
		values, err := readValues(file)
		if err != nil {
			return err
		}
		checkLint(chart, filepath.Base(file), values, wrong)
		objects, err := render(chart, values)
		if err != nil {
			wrong.add("helm: %s: %v", filepath.Base(file), err)
			continue
		}
		var found mistakes
		checkObjects(dir, objects, secrets, &found)
		for _, line := range found {
			wrong.add("helm: %s: %s", filepath.Base(file), line)
		}
	}
	return checkRefusals(chart, wrong)
}

func checkLint(chart, name string, values map[string]any, wrong *mistakes) {
	for _, message := range lint.RunAll(chart, values, "minigroups").Messages {
		if message.Severity > support.InfoSev {
			wrong.add("helm: %s: %v", name, message)
		}
	}
}

// refusals are values that the chart refuses, and what its error says.
var refusals = []struct {
	values, want string
	// alone: without the values of minimal-values.yaml.
	alone bool
}{
	{values: "{}", want: "set", alone: true},
	{values: "image: {tag: v1}", want: "config.temporal.address: set", alone: true},
	{values: "image: {tag: null}", want: "image.tag: set"},
	{values: "image: {tga: v1}", want: "additional properties 'tga' not allowed"},
	{values: "worker: {replica: 3}", want: "additional properties 'replica' not allowed"},
	{values: "workers: {old: {build_id: b1}}", want: "additional properties 'build_id' not allowed"},
	{values: "config: {api: {wiat: 3s}}", want: "additional properties 'wiat' not allowed"},
	{values: "config: {database: {url: postgres://u:p@h/d}}", want: "/config/database/url"},
	{values: `config: {api: {listen: ":80"}}`, want: "/config/api/listen"},
	{values: "workers: {main: null}", want: "workers: name at least one set"},
	{values: "workerController: {enabled: true}\nworkers: {b: {}}", want: "workers: with workerController"},
	{
		values: "worker: {autoscaling: {by: backlog}}\ntemporal: {tls: {enabled: true}}",
		want:   "worker.autoscaling.by: for TLS, KEDA needs",
	},
	{values: "monitoring: {alerts: {enabled: true}}", want: "monitoring.alerts.runbookURL: set"},
}

func checkRefusals(chart string, wrong *mistakes) error {
	minimal, err := readValues(filepath.Join(chart, "ci", "minimal-values.yaml"))
	if err != nil {
		return err
	}
	for _, refused := range refusals {
		var values map[string]any
		if err := yaml.UnmarshalStrict([]byte(refused.values), &values); err != nil {
			return err
		}
		if !refused.alone {
			values = loader.MergeMaps(minimal, values)
		}
		_, err := render(chart, values)
		if err == nil || !strings.Contains(err.Error(), refused.want) {
			wrong.add("helm: with the values %q it says %v, not %q", refused.values, err, refused.want)
		}
	}
	return nil
}
