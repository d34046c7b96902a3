package main

import (
	"slices"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// checkServices checks that each Service selects pods with its target ports, and that none publishes the metrics.
func (c *cluster) checkServices(wrong *mistakes) {
	for _, service := range c.services {
		pods := c.selected(&meta.LabelSelector{MatchLabels: service.Spec.Selector})
		if len(pods) == 0 {
			wrong.add("Service %s selects no pods", service.Name)
		}
		for _, port := range service.Spec.Ports {
			if port.TargetPort.String() != "http" {
				wrong.add("Service %s publishes the port %s", service.Name, port.TargetPort.String())
			}
			for _, w := range pods {
				if !opensAny(w.pods.Spec.Containers, port.TargetPort) {
					wrong.add("Service %s: %s has no port %s", service.Name, w.name, port.TargetPort.String())
				}
			}
		}
	}
}

// checkScaling checks what autoscalers and disruption budgets refer to.
func (c *cluster) checkScaling(wrong *mistakes) {
	exists := func(target string) bool {
		return slices.ContainsFunc(c.workloads, func(w workload) bool { return w.name == target })
	}
	for _, autoscaler := range c.autoscalers {
		if t := autoscaler.Spec.ScaleTargetRef; !exists(t.Kind + " " + t.Name) {
			wrong.add("HorizontalPodAutoscaler %s scales %s %s, which does not exist", autoscaler.Name, t.Kind, t.Name)
		}
	}
	for _, scaled := range c.scaled {
		if t := scaled.Spec.ScaleTargetRef; !exists(t.Kind + " " + t.Name) {
			wrong.add("ScaledObject %s scales %s %s, which does not exist", scaled.Name, t.Kind, t.Name)
		}
		for _, trigger := range scaled.Spec.Triggers {
			ref := trigger.AuthenticationRef
			if ref != nil && !c.names["keda.sh/v1alpha1 TriggerAuthentication/"+ref.Name] {
				wrong.add("ScaledObject %s: there is no TriggerAuthentication %s", scaled.Name, ref.Name)
			}
		}
	}
	for _, budget := range c.budgets {
		if n := len(c.selected(budget.Spec.Selector)); n != 1 {
			wrong.add("PodDisruptionBudget %s selects the pods of %d objects", budget.Name, n)
		}
	}
}

func (c *cluster) checkAuthentication(a triggerAuthentication, wrong *mistakes) {
	for _, ref := range a.Spec.SecretTargetRef {
		c.requireKey("TriggerAuthentication "+a.Name, ref.Name, ref.Key, wrong)
	}
}

func (c *cluster) checkConnection(n connection, wrong *mistakes) {
	if ref := n.Spec.MutualTLSSecretRef; ref != nil { // the controller requires these names
		c.requireKey("Connection "+n.Name, ref.Name, "tls.crt", wrong)
		c.requireKey("Connection "+n.Name, ref.Name, "tls.key", wrong)
	}
	if ref := n.Spec.APIKeySecretRef; ref != nil {
		c.requireKey("Connection "+n.Name, ref.Name, ref.Key, wrong)
	}
}

// checkPolicies checks that the network policies are about our pods and their ports, and that all pods have one.
func (c *cluster) checkPolicies(wrong *mistakes) {
	covered := map[string]bool{}
	for _, policy := range c.policies {
		pods := c.selected(&policy.Spec.PodSelector)
		if len(pods) == 0 {
			wrong.add("NetworkPolicy %s selects no pods", policy.Name)
		}
		for _, w := range pods {
			covered[w.name] = true
		}
		for _, rule := range policy.Spec.Ingress {
			for _, port := range rule.Ports {
				isOpen := func(w workload) bool { return opensAny(w.pods.Spec.Containers, *port.Port) }
				if !slices.ContainsFunc(pods, isOpen) {
					wrong.add("NetworkPolicy %s: no pod has the port %s", policy.Name, port.Port)
				}
				if port.Port.String() == "metrics" && len(rule.From) == 0 {
					wrong.add("NetworkPolicy %s opens the metrics to everybody", policy.Name)
				}
			}
		}
	}
	for _, w := range c.workloads {
		if len(c.policies) > 0 && !covered[w.name] {
			wrong.add("%s has no NetworkPolicy", w.name)
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
