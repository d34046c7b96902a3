package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	network "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// workload is an object that runs pods.
type workload struct {
	name string // kind and name
	pods core.PodTemplateSpec
	// selector selects its own pods; nil if it needs none.
	selector *meta.LabelSelector
}

// cluster holds rendered objects.
type cluster struct {
	workloads []workload
	services  []core.Service
	// names has kind/name of all objects, and keys the keys of ConfigMaps and Secrets, as kind/name/key.
	names, keys map[string]bool
	autoscalers []autoscaling.HorizontalPodAutoscaler
	scaled      []scaledObject
	budgets     []policy.PodDisruptionBudget
	policies    []network.NetworkPolicy
	monitors    []monitoring.PodMonitor
	rules       []monitoring.PrometheusRule
	dashboards  []core.ConfigMap
}

// checkObjects decodes each object into its type, which fails for unknown fields, and checks the references between
// objects. secrets has the keys of the Secrets that exist.
func checkObjects(dir string, objects []object, secrets map[string]bool, wrong *mistakes) {
	c := cluster{keys: maps.Clone(secrets), names: map[string]bool{}}
	for _, o := range objects {
		if err := c.add(o, wrong); err != nil {
			wrong.add("%s %s: %v", o.kind, o.name, err)
		}
	}
	for _, w := range c.workloads {
		c.checkPods(w, wrong)
	}
	c.checkServices(wrong)
	c.checkScaling(wrong)
	c.checkPolicies(wrong)
	c.checkMonitoring(dir, wrong)
}

func (c *cluster) add(o object, wrong *mistakes) error {
	run := func(kind, name string, pods core.PodTemplateSpec, selector *meta.LabelSelector) {
		c.workloads = append(c.workloads, workload{name: kind + " " + name, pods: pods, selector: selector})
	}
	switch o.kind {
	case "apps/v1 Deployment":
		return read(c, o, func(d apps.Deployment) { run("Deployment", d.Name, d.Spec.Template, d.Spec.Selector) })
	case "apps/v1 StatefulSet":
		return read(c, o, func(s apps.StatefulSet) { run("StatefulSet", s.Name, s.Spec.Template, s.Spec.Selector) })
	case "batch/v1 Job":
		return read(c, o, func(j batch.Job) { run("Job", j.Name, j.Spec.Template, nil) })
	case "temporal.io/v1alpha1 WorkerDeployment":
		return read(c, o, func(d workerDeployment) { run("WorkerDeployment", d.Name, d.Spec.Template, nil) })
	case "temporal.io/v1alpha1 Connection":
		return read(c, o, func(n connection) { c.checkConnection(n, wrong) })
	case "v1 Service":
		return read(c, o, func(s core.Service) { c.services = append(c.services, s) })
	case "v1 ServiceAccount":
		return read(c, o, func(core.ServiceAccount) {})
	case "v1 ConfigMap":
		return read(c, o, c.addConfigMap)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return read(c, o, func(h autoscaling.HorizontalPodAutoscaler) { c.autoscalers = append(c.autoscalers, h) })
	case "keda.sh/v1alpha1 ScaledObject":
		return read(c, o, func(s scaledObject) { c.scaled = append(c.scaled, s) })
	case "keda.sh/v1alpha1 TriggerAuthentication":
		return read(c, o, func(a triggerAuthentication) { c.checkAuthentication(a, wrong) })
	case "policy/v1 PodDisruptionBudget":
		return read(c, o, func(p policy.PodDisruptionBudget) { c.budgets = append(c.budgets, p) })
	case "networking.k8s.io/v1 NetworkPolicy":
		return read(c, o, func(p network.NetworkPolicy) { c.policies = append(c.policies, p) })
	case "monitoring.coreos.com/v1 PodMonitor":
		return read(c, o, func(m monitoring.PodMonitor) { c.monitors = append(c.monitors, m) })
	case "monitoring.coreos.com/v1 PrometheusRule":
		return read(c, o, func(r monitoring.PrometheusRule) { c.rules = append(c.rules, r) })
	default:
		return fmt.Errorf("this check does not know %s: add it", o.kind)
	}
}

func read[T any](c *cluster, o object, add func(T)) error {
	var decoded T
	if err := yaml.UnmarshalStrict(o.text, &decoded); err != nil {
		return err
	}
	name := o.kind + "/" + o.name
	if c.names[name] {
		return fmt.Errorf("there are two of this name")
	}
	c.names[name] = true
	add(decoded)
	return nil
}

func (c *cluster) addConfigMap(m core.ConfigMap) {
	for key := range m.Data {
		c.keys["ConfigMap/"+m.Name+"/"+key] = true
	}
	if m.Labels["grafana_dashboard"] != "" {
		c.dashboards = append(c.dashboards, m)
	}
}

var (
	creates = regexp.MustCompile(`create secret generic (\S+)((?:\s+\\?\s*--from-(?:file|literal)=\S+)*)`)
	from    = regexp.MustCompile(`--from-(?:file|literal)=([^=\s]+)=`)
)

// createdSecrets returns the keys of the Secrets that the commands in the README create, as Secret/name/key.
func createdSecrets(readme string) (map[string]bool, error) {
	text, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for _, command := range creates.FindAllSubmatch(text, -1) {
		for _, key := range from.FindAllSubmatch(command[2], -1) {
			keys["Secret/"+string(command[1])+"/"+string(key[1])] = true
		}
	}
	return keys, nil
}

func (c *cluster) holds(kind, name string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(c.keys)), func(key string) bool {
		return filepath.Dir(key) == kind+"/"+name
	})
}

// requireKey reports a key of a Secret that the README does not create.
func (c *cluster) requireKey(user, name, key string, wrong *mistakes) {
	if !c.keys["Secret/"+name+"/"+key] {
		wrong.add("%s reads %s of Secret %s, which the README does not create", user, key, name)
	}
}
