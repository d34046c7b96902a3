package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

func (c *cluster) checkMonitoring(dir string, wrong *mistakes) {
	for _, monitor := range c.monitors {
		c.checkMonitor(monitor, wrong)
	}
	for _, rule := range c.rules {
		checkRule(filepath.Join(dir, "prometheus", "alerts.yml"), rule, wrong)
	}
	for _, dashboard := range c.dashboards {
		checkDashboard(filepath.Join(dir, "grafana", "minigroups.json"), dashboard, wrong)
	}
}

func (c *cluster) checkMonitor(monitor monitoring.PodMonitor, wrong *mistakes) {
	pods := c.selected(&monitor.Spec.Selector)
	if len(pods) == 0 {
		wrong.add("PodMonitor %s selects no pods", monitor.Name)
	}
	for _, w := range pods {
		job := w.pods.Labels[monitor.Spec.JobLabel]
		if job != "minigroups-api" && job != "minigroups-worker" {
			wrong.add("PodMonitor %s: alerts know no job %q (%s)", monitor.Name, job, w.name)
		}
		for _, endpoint := range monitor.Spec.PodMetricsEndpoints {
			if endpoint.Port == nil || !opensAny(w.pods.Spec.Containers, intstr.FromString(*endpoint.Port)) {
				wrong.add("PodMonitor %s: %s lacks the port that it scrapes", monitor.Name, w.name)
			}
		}
	}
}

// checkRule requires the alerts of the file, with the address of the runbook in place of Prometheus' external label.
func checkRule(file string, rule monitoring.PrometheusRule, wrong *mistakes) {
	text, err := os.ReadFile(file)
	var alerts monitoring.PrometheusRuleSpec
	if err == nil {
		err = yaml.UnmarshalStrict(text, &alerts)
	}
	if err != nil {
		wrong.add("%v", err)
		return
	}
	for _, group := range rule.Spec.Groups {
		for _, r := range group.Rules {
			link := r.Annotations["runbook_url"]
			if u, err := url.Parse(link); err != nil || u.Host == "" || u.Fragment == "" {
				wrong.add("PrometheusRule %s: %s has the runbook_url %q", rule.Name, r.Alert, link)
			}
			_, section, _ := strings.Cut(link, "#")
			r.Annotations["runbook_url"] = "{{ $externalLabels.runbook }}#" + section
		}
	}
	if !reflect.DeepEqual(rule.Spec, alerts) {
		wrong.add("PrometheusRule %s is not what %s has", rule.Name, filepath.Base(file))
	}
}

func checkDashboard(file string, dashboard core.ConfigMap, wrong *mistakes) {
	var want, got any
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err == nil {
		err = json.Unmarshal([]byte(dashboard.Data[filepath.Base(file)]), &got)
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		wrong.add("ConfigMap %s is not what %s has (%v)", dashboard.Name, filepath.Base(file), err)
	}
}
