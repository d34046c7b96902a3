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
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// workload is an object that runs pods.
type workload struct {
	name string // kind and name
	pods core.PodTemplateSpec
	// selector selects its own pods; nil if it needs none.
	selector *meta.LabelSelector
}

// cluster holds the objects that kustomize builds from the manifests.
type cluster struct {
	workloads []workload
	services  []core.Service
	// keys has the keys of ConfigMaps and Secrets, as kind/name/key.
	keys        map[string]bool
	autoscalers []autoscaling.HorizontalPodAutoscaler
	budgets     []policy.PodDisruptionBudget
	monitors    []monitoring.PodMonitor
}

// checkKubernetes builds the manifests as kustomize does, decodes each object into its type, which fails for unknown
// fields, and checks the references between objects. The Secrets are those that the commands in the README create.
func checkKubernetes(dir string, wrong *mistakes) error {
	kustomizer := krusty.MakeKustomizer(krusty.MakeDefaultOptions())
	built, err := kustomizer.Run(filesys.MakeFsOnDisk(), filepath.Join(dir, "kubernetes"))
	if err != nil {
		return err
	}
	c := cluster{keys: map[string]bool{}}
	if err := c.addSecrets(filepath.Join(dir, "README.md")); err != nil {
		return err
	}
	for _, object := range built.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			return err
		}
		if err := c.add(object.GetGvk().ApiVersion()+" "+object.GetKind(), text); err != nil {
			wrong.add("kubernetes: %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
	for _, w := range c.workloads {
		c.checkPods(w, wrong)
	}
	c.checkServices(wrong)
	c.checkReferences(wrong)
	return nil
}

func (c *cluster) add(kind string, text []byte) error {
	switch kind {
	case "apps/v1 Deployment":
		return read(text, func(d apps.Deployment) {
			c.workloads = append(c.workloads, workload{"Deployment " + d.Name, d.Spec.Template, d.Spec.Selector})
		})
	case "apps/v1 StatefulSet":
		return read(text, func(s apps.StatefulSet) {
			c.workloads = append(c.workloads, workload{"StatefulSet " + s.Name, s.Spec.Template, s.Spec.Selector})
		})
	case "batch/v1 Job":
		return read(text, func(j batch.Job) {
			c.workloads = append(c.workloads, workload{"Job " + j.Name, j.Spec.Template, nil})
		})
	case "v1 Service":
		return read(text, func(s core.Service) { c.services = append(c.services, s) })
	case "v1 ConfigMap":
		return read(text, func(m core.ConfigMap) {
			for key := range m.Data {
				c.keys["ConfigMap/"+m.Name+"/"+key] = true
			}
		})
	case "autoscaling/v2 HorizontalPodAutoscaler":
		return read(text, func(h autoscaling.HorizontalPodAutoscaler) { c.autoscalers = append(c.autoscalers, h) })
	case "policy/v1 PodDisruptionBudget":
		return read(text, func(p policy.PodDisruptionBudget) { c.budgets = append(c.budgets, p) })
	case "monitoring.coreos.com/v1 PodMonitor":
		return read(text, func(m monitoring.PodMonitor) { c.monitors = append(c.monitors, m) })
	default:
		return fmt.Errorf("this check does not know %s: add it", kind)
	}
}

func read[T any](text []byte, add func(T)) error {
	var object T
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		return err
	}
	add(object)
	return nil
}

var (
	creates = regexp.MustCompile(`create secret generic (\S+)((?:\s+\\?\s*--from-(?:file|literal)=\S+)*)`)
	from    = regexp.MustCompile(`--from-(?:file|literal)=([^=\s]+)=`)
)

// addSecrets adds the Secrets that the commands in the README create.
func (c *cluster) addSecrets(readme string) error {
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	for _, command := range creates.FindAllSubmatch(text, -1) {
		for _, key := range from.FindAllSubmatch(command[2], -1) {
			c.keys["Secret/"+string(command[1])+"/"+string(key[1])] = true
		}
	}
	return nil
}

func (c *cluster) holds(kind, name string) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(c.keys)), func(key string) bool {
		return filepath.Dir(key) == kind+"/"+name
	})
}

// checkPods checks selectors, volumes and the security context of pods, and their containers.
func (c *cluster) checkPods(w workload, wrong *mistakes) {
	if w.selector != nil && !matches(w.selector, w.pods.Labels) {
		wrong.add("kubernetes: %s does not select its own pods", w.name)
	}
	spec := w.pods.Spec
	for _, spread := range spec.TopologySpreadConstraints {
		if !matches(spread.LabelSelector, w.pods.Labels) {
			wrong.add("kubernetes: %s spreads other pods than its own", w.name)
		}
	}
	volumes := map[string]bool{}
	for _, volume := range spec.Volumes {
		volumes[volume.Name] = true
		if m := volume.ConfigMap; m != nil && !c.holds("ConfigMap", m.Name) {
			wrong.add("kubernetes: %s mounts ConfigMap %s, which does not exist", w.name, m.Name)
		}
		if s := volume.Secret; s != nil && !c.holds("Secret", s.SecretName) {
			wrong.add("kubernetes: %s mounts Secret %s, which the README does not create", w.name, s.SecretName)
		}
	}
	if user := spec.SecurityContext; user == nil || user.RunAsNonRoot == nil || !*user.RunAsNonRoot {
		wrong.add("kubernetes: %s may run as root", w.name)
	}
	for _, container := range spec.Containers {
		c.checkContainer(w.name, container, volumes, wrong)
	}
}

func (c *cluster) checkContainer(pod string, container core.Container, volumes map[string]bool, wrong *mistakes) {
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			wrong.add("kubernetes: %s mounts volume %s, which it does not have", pod, mount.Name)
		}
	}
	for _, variable := range container.Env {
		if from := variable.ValueFrom; from != nil && from.SecretKeyRef != nil {
			ref := from.SecretKeyRef
			if !c.keys["Secret/"+ref.Name+"/"+ref.Key] {
				wrong.add("kubernetes: %s reads %s of Secret %s, which the README does not create", pod, ref.Key, ref.Name)
			}
		}
		if variable.Value == "" && variable.ValueFrom == nil {
			wrong.add("kubernetes: %s sets %s to nothing", pod, variable.Name)
		}
	}
	for name, probe := range map[string]*core.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		switch {
		case probe == nil && len(container.Ports) > 0:
			wrong.add("kubernetes: %s has no %s probe", pod, name)
		case probe != nil && (probe.HTTPGet == nil || !opens(container, probe.HTTPGet.Port)):
			wrong.add("kubernetes: the %s probe of %s uses a port that is not open", name, pod)
		}
	}
	if limits := container.SecurityContext; limits == nil ||
		limits.ReadOnlyRootFilesystem == nil || !*limits.ReadOnlyRootFilesystem ||
		limits.AllowPrivilegeEscalation == nil || *limits.AllowPrivilegeEscalation ||
		limits.Capabilities == nil || !slices.Contains(limits.Capabilities.Drop, "ALL") {
		wrong.add("kubernetes: %s may write to its image, gain privileges or has capabilities", pod)
	}
	requests, limits := container.Resources.Requests, container.Resources.Limits
	if requests.Cpu().IsZero() || requests.Memory().IsZero() || limits.Memory().IsZero() {
		wrong.add("kubernetes: %s lacks resource requests or a memory limit", pod)
	}
	if namesRegistry(container.Image) {
		wrong.add("kubernetes: %s: %s names a registry", pod, container.Image)
	}
}

// checkServices checks that each Service selects pods with its target ports.
func (c *cluster) checkServices(wrong *mistakes) {
	for _, service := range c.services {
		pods := c.selected(&meta.LabelSelector{MatchLabels: service.Spec.Selector})
		if len(pods) == 0 {
			wrong.add("kubernetes: Service %s selects no pods", service.Name)
		}
		for _, port := range service.Spec.Ports {
			for _, w := range pods {
				if !opensAny(w.pods.Spec.Containers, port.TargetPort) {
					wrong.add("kubernetes: Service %s: %s has no port %s", service.Name, w.name, port.TargetPort.String())
				}
			}
		}
	}
}

// checkReferences checks what autoscalers, disruption budgets and monitors refer to.
func (c *cluster) checkReferences(wrong *mistakes) {
	for _, autoscaler := range c.autoscalers {
		target := autoscaler.Spec.ScaleTargetRef.Kind + " " + autoscaler.Spec.ScaleTargetRef.Name
		if !slices.ContainsFunc(c.workloads, func(w workload) bool { return w.name == target }) {
			wrong.add("kubernetes: HorizontalPodAutoscaler %s scales %s, which does not exist", autoscaler.Name, target)
		}
	}
	for _, budget := range c.budgets {
		if len(c.selected(budget.Spec.Selector)) == 0 {
			wrong.add("kubernetes: PodDisruptionBudget %s selects no pods", budget.Name)
		}
	}
	for _, monitor := range c.monitors {
		pods := c.selected(&monitor.Spec.Selector)
		if len(pods) == 0 {
			wrong.add("kubernetes: PodMonitor %s selects no pods", monitor.Name)
		}
		for _, w := range pods {
			if w.pods.Labels[monitor.Spec.JobLabel] == "" {
				wrong.add("kubernetes: PodMonitor %s: %s has no label %s", monitor.Name, w.name, monitor.Spec.JobLabel)
			}
			for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
				if endpoint.Port == nil || !opensAny(w.pods.Spec.Containers, intstr.FromString(*endpoint.Port)) {
					wrong.add("kubernetes: PodMonitor %s: %s lacks the port that it scrapes", monitor.Name, w.name)
				}
			}
		}
	}
}

// selected returns the workloads whose pods the selector matches.
func (c *cluster) selected(selector *meta.LabelSelector) (found []workload) {
	for _, w := range c.workloads {
		if matches(selector, w.pods.Labels) {
			found = append(found, w)
		}
	}
	return found
}

func matches(selector *meta.LabelSelector, set map[string]string) bool {
	s, err := meta.LabelSelectorAsSelector(selector)
	return err == nil && !s.Empty() && s.Matches(labels.Set(set))
}

func opensAny(containers []core.Container, port intstr.IntOrString) bool {
	return slices.ContainsFunc(containers, func(c core.Container) bool { return opens(c, port) })
}

func opens(container core.Container, port intstr.IntOrString) bool {
	return slices.ContainsFunc(container.Ports, func(p core.ContainerPort) bool {
		isNamed := port.Type == intstr.String && p.Name == port.StrVal
		return isNamed || port.Type == intstr.Int && p.ContainerPort == port.IntVal
	})
}
