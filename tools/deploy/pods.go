package main

import (
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// checkPods checks selectors, volumes and the security context of pods, and their containers.
func (c *cluster) checkPods(w workload, wrong *mistakes) {
	if w.selector != nil && !matches(w.selector, w.pods.Labels) {
		wrong.add("%s does not select its own pods", w.name)
	}
	for _, other := range c.workloads {
		if w.selector != nil && other.name != w.name && matches(w.selector, other.pods.Labels) {
			wrong.add("%s selects the pods of %s", w.name, other.name)
		}
	}
	spec := w.pods.Spec
	for _, spread := range spec.TopologySpreadConstraints {
		if !matches(spread.LabelSelector, w.pods.Labels) {
			wrong.add("%s spreads other pods than its own", w.name)
		}
	}
	if len(spec.TopologySpreadConstraints) == 0 && !strings.HasPrefix(w.name, "Job") {
		wrong.add("%s does not spread its pods", w.name)
	}
	if user := spec.SecurityContext; user == nil || user.RunAsNonRoot == nil || !*user.RunAsNonRoot {
		wrong.add("%s may run as root", w.name)
	}
	if token := spec.AutomountServiceAccountToken; token == nil || *token {
		wrong.add("%s has a token of Kubernetes", w.name)
	}
	if spec.EnableServiceLinks == nil || *spec.EnableServiceLinks {
		wrong.add("%s gets variables for each Service, which the programs take for settings", w.name)
	}
	volumes := c.checkVolumes(w, wrong)
	for _, container := range spec.Containers {
		c.checkContainer(w.name, container, volumes, wrong)
		c.checkPermissions(w.name, container, wrong)
	}
}

// checkVolumes returns the names of the volumes.
func (c *cluster) checkVolumes(w workload, wrong *mistakes) map[string]bool {
	volumes := map[string]bool{}
	for _, volume := range w.pods.Spec.Volumes {
		volumes[volume.Name] = true
		if m := volume.ConfigMap; m != nil && !c.holds("ConfigMap", m.Name) {
			wrong.add("%s mounts ConfigMap %s, which does not exist", w.name, m.Name)
		}
		if s := volume.Secret; s != nil && !c.holds("Secret", s.SecretName) {
			wrong.add("%s mounts Secret %s, which the README does not create", w.name, s.SecretName)
		}
	}
	return volumes
}

func (c *cluster) checkContainer(pod string, container core.Container, volumes map[string]bool, wrong *mistakes) {
	for _, mount := range container.VolumeMounts {
		if !volumes[mount.Name] {
			wrong.add("%s mounts volume %s, which it does not have", pod, mount.Name)
		}
	}
	seen := map[string]bool{}
	for _, variable := range container.Env {
		if seen[variable.Name] {
			wrong.add("%s sets %s twice", pod, variable.Name)
		}
		seen[variable.Name] = true
		if source := variable.ValueFrom; source != nil && source.SecretKeyRef != nil {
			c.requireKey(pod, source.SecretKeyRef.Name, source.SecretKeyRef.Key, wrong)
		}
		if variable.Value == "" && variable.ValueFrom == nil {
			wrong.add("%s sets %s to nothing", pod, variable.Name)
		}
	}
	for name, probe := range map[string]*core.Probe{
		"startup": container.StartupProbe, "liveness": container.LivenessProbe, "readiness": container.ReadinessProbe,
	} {
		switch {
		case probe == nil && len(container.Ports) > 0:
			wrong.add("%s has no %s probe", pod, name)
		case probe != nil && (probe.HTTPGet == nil || !opens(container, probe.HTTPGet.Port)):
			wrong.add("the %s probe of %s uses a port that is not open", name, pod)
		}
	}
	if namesRegistry(container.Image) {
		wrong.add("%s: %s names a registry", pod, container.Image)
	}
}

func (c *cluster) checkPermissions(pod string, container core.Container, wrong *mistakes) {
	if limits := container.SecurityContext; limits == nil ||
		limits.ReadOnlyRootFilesystem == nil || !*limits.ReadOnlyRootFilesystem ||
		limits.AllowPrivilegeEscalation == nil || *limits.AllowPrivilegeEscalation ||
		limits.Capabilities == nil || !slices.Contains(limits.Capabilities.Drop, "ALL") {
		wrong.add("%s may write to its image, gain privileges or has capabilities", pod)
	}
	requests, limits := container.Resources.Requests, container.Resources.Limits
	if requests.Cpu().IsZero() || requests.Memory().IsZero() || limits.Memory().IsZero() {
		wrong.add("%s lacks resource requests or a memory limit", pod)
	}
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
