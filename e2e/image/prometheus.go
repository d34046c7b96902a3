package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// checkTargets waits until Prometheus has scraped both APIs and both workers.
func (p *project) checkTargets(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var seen string
	err := await(ctx, func() error {
		var answer struct {
			Data struct {
				ActiveTargets []struct {
					ScrapePool, ScrapeURL, Health, LastError string
				}
			}
		}
		if err := query(ctx, "/api/v1/targets", &answer); err != nil {
			return err
		}
		up := map[string]int{}
		for _, t := range answer.Data.ActiveTargets {
			if t.Health != "up" {
				return fmt.Errorf("%s is %s: %s", t.ScrapeURL, t.Health, t.LastError)
			}
			up[t.ScrapePool]++
		}
		seen = fmt.Sprintf("up: %d APIs, %d workers", up["minigroups-api"], up["minigroups-worker"])
		if up["minigroups-api"] != 2 || up["minigroups-worker"] != 2 {
			return errors.New(seen)
		}
		return nil
	})
	return seen, err
}

// checkAlerts sees that Prometheus has evaluated exactly the alerts of alerts.yml without an error.
func (p *project) checkAlerts(ctx context.Context) (string, error) {
	file, err := os.ReadFile(p.path("deploy", "prometheus", "alerts.yml"))
	if err != nil {
		return "", err
	}
	var written struct {
		Groups []struct {
			Rules []struct{ Alert, Record string }
		}
	}
	if err := yaml.Unmarshal(file, &written); err != nil {
		return "", err
	}
	var want []string
	for _, group := range written.Groups {
		for _, rule := range group.Rules {
			want = append(want, rule.Alert+rule.Record)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err = await(ctx, func() error {
		var loaded struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := query(ctx, "/api/v1/rules", &loaded); err != nil {
			return err
		}
		var got []string
		for _, group := range loaded.Data.Groups {
			for _, rule := range group.Rules {
				if rule.Health != "ok" {
					return fmt.Errorf("%s is %s: %s", rule.Name, rule.Health, rule.LastError)
				}
				got = append(got, rule.Name)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("loaded %v, in the file %v", got, want)
		}
		return nil
	})
	return fmt.Sprintf("%d healthy, those of alerts.yml", len(want)), err
}

func query(ctx context.Context, path string, into any) error {
	body, err := get(ctx, prometheus+path)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}
