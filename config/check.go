package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What each program needs to be told: the required keys of Load and Check.
var (
	ForAPI     = []string{"database.url", "account.private_key_file", "event.url", "authentication", "authorization"}
	ForWorker  = []string{"database.url", "account.private_key_file", "event.url", "conference.url", "janus.admin_key", "janus.admin_secret", "janus.room_key"}
	ForMigrate = []string{"database.url"}
	ForOps     = []string{"database.url"}
)

// Check reports everything that is wrong with c, as Mistakes: values out of
// range, files that cannot be read, and the keys of required that have no
// value. The keys of Janus are never missed when conference reserves.
func (c Config) Check(required ...string) error { return c.mistakes(required).err() }

func (c Config) mistakes(required []string) Mistakes {
	var m Mistakes
	m.checkDatabase(c.Database)
	m.checkTarget("temporal.address", c.Temporal.Address)
	m.checkText("temporal.namespace", c.Temporal.Namespace)
	m.checkText("temporal.task_queue", c.Temporal.TaskQueue)
	m.checkListen("api.listen", c.API.Listen)
	m.checkListen("api.metrics_listen", c.API.MetricsListen)
	m.checkAPI(c.API)
	m.checkListen("worker.metrics_listen", c.Worker.MetricsListen)
	m.checkBuild(c)
	m.checkText("account.label", c.Account.Label)
	m.checkText("account.audience", c.Account.Audience)
	m.checkFile("account.private_key_file", c.Account.PrivateKeyFile)
	for name, issuer := range c.Authentication {
		m.checkIssuer("authentication["+name+"]", issuer)
	}
	for name, audience := range c.Authorization {
		m.checkAudience("authorization["+name+"]", audience)
	}
	m.checkAccess(c.Access)
	m.checkURL("event.url", c.Event.URL)
	m.checkURL("conference.url", c.Conference.URL)
	m.checkJanus(c.Janus)
	m.checkAnnouncements(c.MQTT)
	m.checkSaga(c.Saga)
	if h := c.Retention.History; h != 0 && h < MinHistory {
		m.add("retention.history", h.String(), "a duration of at least "+MinHistory.String()+", or 0s to keep it for ever")
	}
	m.checkOneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	m.checkTracing(c.Tracing)
	m.checkDev(c.Dev)
	m.checkRequired(c, required)
	return m
}

func (m *Mistakes) checkDatabase(d Database) {
	if d.URL != "" {
		u, err := url.Parse(d.URL.Reveal())
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			m.add("database.url", "something else (not shown)", "postgres://user:password@host:port/name")
		}
	}
	if d.MaxConns < 2 || d.MaxConns > 10_000 {
		m.add("database.max_conns", fmt.Sprint(d.MaxConns), "a number from 2 to 10000")
	}
}

func (m *Mistakes) checkAPI(a API) {
	if a.Wait <= 0 || a.Wait > MaxWait {
		m.add("api.wait", a.Wait.String(), "a duration above 0 and up to "+MaxWait.String())
	}
	if slices.Contains(a.TurnHosts, "") {
		m.add("api.turn_hosts", fmt.Sprintf("%q", a.TurnHosts), "a list of hosts")
	}
	for i, origin := range a.AllowedOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host)) {
			m.add(fmt.Sprintf("api.allowed_origins[%d]", i), strconv.Quote(origin), "an origin in small letters, https://host or https://host:port, or *")
		}
	}
	if a.MaxConcurrentWrites < 2 || a.MaxConcurrentWrites > 100_000 {
		m.add("api.max_concurrent_writes", fmt.Sprint(a.MaxConcurrentWrites), "a number from 2 to 100000")
	}
	if a.WritesPerMinute < 0 || a.WritesPerMinute > 1_000_000 {
		m.add("api.writes_per_minute", fmt.Sprint(a.WritesPerMinute), "a number from 0 to 1000000")
	}
	if a.IdempotencyKeys <= 0 {
		m.add("api.idempotency_keys", a.IdempotencyKeys.String(), "a duration above 0")
	}
	if a.DrainDelay < 0 || a.DrainDelay > MaxWait {
		m.add("api.drain_delay", a.DrainDelay.String(), "a duration up to "+MaxWait.String())
	}
}

func (m *Mistakes) checkTracing(t Tracing) {
	m.checkAddress("tracing.endpoint", t.Endpoint)
	if !(t.SampleRatio >= 0 && t.SampleRatio <= 1) { // NaN neither
		m.add("tracing.sample_ratio", fmt.Sprint(t.SampleRatio), "a number from 0 to 1")
	}
}

func (m *Mistakes) checkJanus(j Janus) {
	m.checkOneOf("janus.reservation", j.Reservation, ReservedByGateway, ReservedByConference)
	seen := map[string]bool{}
	for i, backend := range j.Backends {
		key := fmt.Sprintf("janus.backends[%d]", i)
		switch {
		case backend.ID == "":
			m.add(key+".id", "nothing", "a name")
		case seen[backend.ID]:
			m.add(key+".id", strconv.Quote(backend.ID)+" once more", "a name of its own")
		}
		seen[backend.ID] = true
		for name, value := range map[string]string{"admin_url": backend.AdminURL, "janus_url": backend.JanusURL} {
			if value == "" {
				m.add(key+"."+name, "nothing", "an http or https URL")
			}
			m.checkURL(key+"."+name, value)
		}
		for name, value := range map[string]*int32{"capacity": backend.Capacity, "balancer_capacity": backend.BalancerCapacity} {
			if value != nil && *value < 0 {
				m.add(key+"."+name, fmt.Sprint(*value), "0 or more, or null for unlimited")
			}
		}
	}
}

func (m *Mistakes) checkSaga(s Saga) {
	for key, d := range map[string]time.Duration{"saga.step_wait": s.StepWait, "saga.retry_budget": s.RetryBudget, "saga.grace": s.Grace} {
		if d <= 0 {
			m.add(key, d.String(), "a duration above 0")
		}
	}
	if s.MaxInFlight < 2 || s.MaxInFlight > 100_000 {
		m.add("saga.max_in_flight", fmt.Sprint(s.MaxInFlight), "a number from 2 to 100000")
	}
	if s.RequestTimeout <= 0 || s.RequestTimeout < s.StepWait {
		m.add("saga.request_timeout", s.RequestTimeout.String(), "a duration of at least saga.step_wait, "+s.StepWait.String())
	}
}

func (m *Mistakes) checkAnnouncements(a MQTT) {
	if a.Broker != "" {
		u, err := url.Parse(a.Broker)
		if err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Port() == "" || u.User != nil || u.Path != "" {
			m.add("mqtt.broker", "something else (not shown)", "mqtt://host:port or mqtts://host:port")
		}
	}
	m.checkFile("mqtt.ca_file", a.CAFile)
	m.checkTopicLevel("mqtt.event_account", a.EventAccount)
	m.checkTopicLevel("mqtt.conference_account", a.ConferenceAccount)
	if a.Group != "" {
		m.checkTopicLevel("mqtt.group", a.Group)
	}
	for i, audience := range a.Audiences {
		m.checkTopicLevel(fmt.Sprintf("mqtt.audiences[%d]", i), audience)
	}
	if a.EventAccount == a.ConferenceAccount {
		m.add("mqtt.conference_account", strconv.Quote(a.ConferenceAccount), "another account than event's")
	}
	if a.Session < time.Second || a.Session > math.MaxUint32*time.Second {
		m.add("mqtt.session", a.Session.String(), "a duration of 1s or more")
	}
	if a.NeverSeen <= 0 {
		m.add("mqtt.never_seen", a.NeverSeen.String(), "a duration above 0")
	}
}

// checkTopicLevel wants what can stand between two slashes of an MQTT topic.
func (m *Mistakes) checkTopicLevel(key, level string) {
	if level == "" || strings.ContainsAny(level, "/+#\x00") {
		m.add(key, strconv.Quote(level), "a text without /, + and #")
	}
}

func (m *Mistakes) checkDev(d Dev) {
	m.checkTarget("dev.temporal_listen", d.TemporalListen)
	m.checkTarget("dev.temporal_ui", d.TemporalUI)
	m.checkTarget("dev.event_listen", d.EventListen)
	m.checkTarget("dev.conference_listen", d.ConferenceListen)
	m.checkTarget("dev.broker_listen", d.BrokerListen)
	for key, port := range map[string]int{"dev.postgres_port": d.PostgresPort, "dev.janus_port": d.JanusPort, "dev.janus_admin_port": d.JanusAdminPort} {
		if port < 1 || port > 65535 {
			m.add(key, fmt.Sprint(port), "a port from 1 to 65535")
		}
	}
}

func (m *Mistakes) checkRequired(c Config, required []string) {
	values := map[string]bool{
		"database.url":             c.Database.URL != "",
		"account.private_key_file": c.Account.PrivateKeyFile != "",
		"authentication":           len(c.Authentication) > 0,
		"authorization":            len(c.Authorization) > 0,
		"event.url":                c.Event.URL != "",
		"conference.url":           c.Conference.URL != "",
		"janus.admin_key":          c.Janus.AdminKey != "",
		"janus.admin_secret":       c.Janus.AdminSecret != "",
		"janus.room_key":           c.Janus.RoomKey != "",
	}
	for _, key := range required {
		if strings.HasPrefix(key, "janus.") && c.Janus.Reservation == ReservedByConference {
			continue
		}
		if !values[key] {
			m.add(key, "nothing", "a value: it has no default")
		}
	}
}

func (m *Mistakes) checkText(key, value string) {
	if value == "" {
		m.add(key, "nothing", "a text")
	}
}

func (m *Mistakes) checkOneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		m.add(key, strconv.Quote(value), strings.Join(allowed, " or "))
	}
}

// checkBuild wants what Temporal takes for a Worker Deployment and its build: refused, a worker would poll for nothing.
func (m *Mistakes) checkBuild(c Config) {
	if c.Worker.BuildID != "" && (strings.ContainsAny(c.Temporal.TaskQueue, ".:") || strings.HasPrefix(c.Temporal.TaskQueue, "__")) {
		m.add("temporal.task_queue", strconv.Quote(c.Temporal.TaskQueue), "a text without . and :, not beginning with __, as there is a worker.build_id")
	}
	if strings.HasPrefix(c.Worker.BuildID, "__") {
		m.add("worker.build_id", strconv.Quote(c.Worker.BuildID), "a text not beginning with __")
	}
}

// checkListen takes port 0 too: the system then chooses one.
func (m *Mistakes) checkListen(key, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		m.add(key, strconv.Quote(address), "an address, host:port")
	}
}

// checkTarget wants an address that somebody else can be told.
func (m *Mistakes) checkTarget(key, address string) {
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		m.add(key, strconv.Quote(address), "an address, host:port")
	}
}

// checkURL wants the address of an upstream, to which paths are added.
func (m *Mistakes) checkURL(key, value string) {
	if m.checkAddress(key, value) && strings.HasSuffix(strings.TrimRight(value, "/"), "/api/v1") {
		m.add(key, strconv.Quote(value), "the URL without /api/v1")
	}
}

// checkAddress reports whether value, unless empty, is a URL without anything that may be secret.
func (m *Mistakes) checkAddress(key, value string) bool {
	if value == "" {
		return true
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		m.add(key, "something else (not shown)", "an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		m.add(key, "a URL with user, query or fragment", "a plain http or https URL")
	default:
		return true
	}
	return false
}

func (m *Mistakes) checkFile(key, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		m.add(key, fmt.Sprintf("%q (%v)", path, err), "the path of a file that can be read")
		return
	}
	_ = f.Close()
}
