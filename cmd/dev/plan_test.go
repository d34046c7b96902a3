package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// configuredJanus is a setting with a gateway.
const configuredJanus = "MINIGROUPS_JANUS__BACKENDS=" +
	"[{id: configured, admin_url: 'http://elsewhere/admin', janus_url: 'http://elsewhere/janus'}]"

// publisherFlags returns the stand-ins' flags for room events as one string.
func publisherFlags(p plan) string { return strings.Join((&system{plan: p}).publisherFlags(), " ") }

func TestPlan(t *testing.T) {
	planFor := func(t *testing.T, environ ...string) (plan, error) {
		t.Helper()
		ws, _ := machine(t)
		ws, err := ws.prepare()
		if err != nil {
			t.Fatal(err)
		}
		return newPlan(ws, single, environ)
	}

	t.Run("starts everything if nothing is configured", func(t *testing.T) {
		p, err := planFor(t)
		if err != nil {
			t.Fatal(err)
		}
		if !p.postgres || !p.temporal || !p.event || !p.conference || !p.janus || !p.broker {
			t.Errorf("got %+v", p)
		}
		if p.cfg.Event.URL != "http://127.0.0.1:8091" || p.cfg.MQTT.Broker != "mqtt://127.0.0.1:1883" ||
			p.cfg.Janus.Backends[0].AdminURL != "http://127.0.0.1:7088/admin" {
			t.Errorf("got\n%s", p.cfg)
		}
		if got := p.cfg.Authorization["example.org"]; got.Kind != "local" || got.Trusted[0] != "dev.example.org" {
			t.Errorf("authorization: %+v", got)
		}
	})

	t.Run("starts nothing whose address is configured", func(t *testing.T) {
		p, err := planFor(t, "DATABASE_URL=postgres://elsewhere/x", "TEMPORAL_ADDRESS=elsewhere:7233",
			"MINIGROUPS_MQTT__BROKER=mqtt://elsewhere:1883",
			"MINIGROUPS_EVENT__URL=http://elsewhere/event", "MINIGROUPS_CONFERENCE__URL=http://elsewhere/conference",
			"MINIGROUPS_JANUS__ADMIN_KEY=k", "MINIGROUPS_JANUS__ADMIN_SECRET=s",
			configuredJanus)
		if err != nil {
			t.Fatal(err)
		}
		if p.postgres || p.temporal || p.event || p.conference || p.janus || p.broker {
			t.Errorf("got %+v", p)
		}
		if got := publisherFlags(p); len(got) > 0 {
			t.Errorf("stand-ins for %q", got)
		}
		if p.cfg.MQTT.Broker != "mqtt://elsewhere:1883" || p.cfg.Temporal.Address != "elsewhere:7233" ||
			p.cfg.Event.URL != "http://elsewhere/event" || p.cfg.Janus.Backends[0].ID != "configured" {
			t.Errorf("got\n%s", p.cfg)
		}
	})

	t.Run("starts no broker if event and conference are configured", func(t *testing.T) {
		both := []string{
			"MINIGROUPS_EVENT__URL=http://elsewhere/event", "MINIGROUPS_CONFERENCE__URL=http://elsewhere/conference",
		}
		p, err := planFor(t, both...)
		if err != nil || p.broker || p.cfg.MQTT.Broker != "" || len(publisherFlags(p)) > 0 {
			t.Errorf("got %v, %+v", err, p.cfg.MQTT)
		}
		for _, one := range both {
			if p, err := planFor(t, one); err != nil || !p.broker || p.cfg.MQTT.Broker == "" {
				t.Errorf("%s: got %v, %+v", one, err, p.cfg.MQTT)
			}
		}
	})

	t.Run("stand-ins publish on the configured broker with the configured accounts", func(t *testing.T) {
		p, err := planFor(t, "MINIGROUPS_MQTT__BROKER=mqtt://elsewhere:1883",
			"MINIGROUPS_MQTT__EVENT_ACCOUNT=e.svc.example.org")
		if err != nil || p.broker {
			t.Fatalf("got %v, %+v", err, p)
		}
		want := "-broker mqtt://elsewhere:1883 -event-account e.svc.example.org " +
			"-conference-account conference.svc.example.org"
		if got := publisherFlags(p); got != want {
			t.Errorf("got %q", got)
		}
	})

	t.Run("a configured gateway needs its secrets", func(t *testing.T) {
		_, err := planFor(t, configuredJanus)
		if err == nil || !strings.Contains(err.Error(), "janus.admin_secret") {
			t.Errorf("got %v", err)
		}
	})

	t.Run("starts no Janus if conference reserves slots", func(t *testing.T) {
		p, err := planFor(t, "MINIGROUPS_JANUS__RESERVATION=conference")
		if err != nil || p.janus || len(p.cfg.Janus.Backends) > 0 {
			t.Errorf("got %v, %+v", err, p.cfg.Janus.Backends)
		}
	})

	t.Run("the cluster's ports are those that Temporal's server can record", func(t *testing.T) {
		for port, refused := range map[string]bool{"33061": false, "33062": true} {
			p, err := planFor(t, "MINIGROUPS_DEV__TEMPORAL_LISTEN=127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			p.topology = clustered
			err = p.checkPorts()
			if got := err != nil && strings.Contains(err.Error(), "dev.temporal_listen: "); got != refused {
				t.Errorf("%s: %v", port, err)
			}
			if refused && !strings.HasSuffix(err.Error(), "choose a port up to 33061") {
				t.Errorf("%s: %v", port, err)
			}
		}
	})

	t.Run("configured audiences get tokens", func(t *testing.T) {
		p, err := planFor(t, "MINIGROUPS_AUTHORIZATION={school.org: {kind: none}}")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.cfg.Authentication["iam.example.org"].Audiences; strings.Join(got, " ") != "example.org school.org" {
			t.Errorf("got %v", got)
		}
	})

	t.Run("keys and secrets stay the same", func(t *testing.T) {
		ws, _ := machine(t)
		ws, err := ws.prepare()
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for range 2 {
			p, err := newPlan(ws, single, nil)
			if err != nil {
				t.Fatal(err)
			}
			public, err := os.ReadFile(ws.secret(issuerPublicKey))
			if err != nil {
				t.Fatal(err)
			}
			janus := p.cfg.Janus
			seen = append(seen, fmt.Sprint(
				string(public), janus.AdminKey.Reveal(), janus.AdminSecret.Reveal(), janus.RoomKey.Reveal()))
		}
		if seen[0] != seen[1] {
			t.Error("they changed")
		}
	})
}
