package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// The required keys of each program, for Load and Check.
var (
	ForAPI    = []string{"database.url", "account.private_key_file", "event.url", "authentication", "authorization"}
	ForWorker = []string{
		"database.url", "account.private_key_file", "event.url", "conference.url",
		"janus.admin_key", "janus.admin_secret", "janus.room_key",
	}
	ForMigrate = []string{"database.url"}
	ForOps     = []string{"database.url"}
)

// Check returns all Violations of c, or nil: values out of range, unreadable files, and keys of required that have no
// value. Keys of janus are not required when conference reserves slots.
func (c Config) Check(required ...string) error { return c.violations(required).err() }

func (c Config) violations(required []string) Violations {
	var v Violations
	v.checkBounds("", reflect.ValueOf(c))
	v.checkDatabase(c.Database)
	v.checkTarget("temporal.address", c.Temporal.Address)
	v.checkText("temporal.namespace", c.Temporal.Namespace)
	v.checkText("temporal.task_queue", c.Temporal.TaskQueue)
	v.checkEncryption(c.Temporal)
	v.checkListen("api.listen", c.API.Listen)
	v.checkListen("api.metrics_listen", c.API.MetricsListen)
	v.checkAPI(c.API)
	v.checkListen("worker.metrics_listen", c.Worker.MetricsListen)
	v.checkBuild(c)
	v.checkLabel("account.label", c.Account.Label)
	v.checkNFC("account.label", c.Account.Label)
	v.checkTopicLevel("account.audience", c.Account.Audience)
	v.checkFile("account.private_key_file", c.Account.PrivateKeyFile)
	for name, issuer := range c.Authentication {
		v.checkIssuer("authentication["+name+"]", issuer)
	}
	for name, audience := range c.Authorization {
		v.checkNFC("authorization["+name+"]", name)
		v.checkAudience("authorization["+name+"]", audience)
	}
	v.checkAccess(c.Access)
	v.checkURL("event.url", c.Event.URL)
	v.checkURL("conference.url", c.Conference.URL)
	v.checkJanus(c.Janus)
	v.checkMQTT(c.MQTT, c.Account)
	v.checkSaga(c.Saga)
	if h := c.Retention.History; h != 0 && h < MinHistory {
		v.add("retention.history", h.String(), "a duration of at least "+MinHistory.String()+", or 0s to keep it permanently")
	}
	v.checkAddress("tracing.endpoint", c.Tracing.Endpoint)
	v.checkAddress("links.temporal_ui", c.Links.TemporalUI)
	v.checkTraceLink(c.Links.Traces)
	v.checkDev(c.Dev)
	v.checkRequired(c, required)
	return v
}

func (v *Violations) checkDatabase(d Database) {
	if d.URL != "" {
		u, err := url.Parse(d.URL.Reveal())
		if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			v.add("database.url", "something else (not shown)", "postgres://user:password@host:port/name")
		}
	}
}

func (v *Violations) checkEncryption(t Temporal) {
	seen := map[string]bool{}
	for i, file := range t.EncryptionKeyFiles {
		key, id := fmt.Sprintf("temporal.encryption_key_files[%d]", i), EncryptionKeyID(file)
		switch {
		case file == "":
			v.add(key, "nothing", "the path of a file")
		case seen[id]:
			v.add(key, fmt.Sprintf("a second file of the key %q", id), "a file with another name")
		}
		seen[id] = true
		v.checkFile(key, file)
	}
	if t.EncryptionKey != "" && !seen[t.EncryptionKey] {
		v.add("temporal.encryption_key", strconv.Quote(t.EncryptionKey),
			"the name of one of temporal.encryption_key_files, without folder and extension")
	}
}

func (v *Violations) checkAPI(a API) {
	if a.Wait <= 0 || a.Wait > MaxWait {
		v.add("api.wait", a.Wait.String(), "a duration above 0 and up to "+MaxWait.String())
	}
	if slices.Contains(a.TurnHosts, "") {
		v.add("api.turn_hosts", fmt.Sprintf("%q", a.TurnHosts), "a list of hosts")
	}
	for i, origin := range a.AllowedOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Host == "" || origin != strings.ToLower(u.Scheme+"://"+u.Host)) {
			v.add(fmt.Sprintf("api.allowed_origins[%d]", i), strconv.Quote(origin),
				"an origin in lower case, https://host or https://host:port, or *")
		}
	}
	if a.IdempotencyKeys <= 0 {
		v.add("api.idempotency_keys", a.IdempotencyKeys.String(), "a duration above 0")
	}
	if a.IdleTimeout < time.Second || a.IdleTimeout > 24*time.Hour {
		v.add("api.idle_timeout", a.IdleTimeout.String(), "a duration from 1s to 24h")
	}
	if a.DrainDelay < 0 || a.DrainDelay > MaxWait {
		v.add("api.drain_delay", a.DrainDelay.String(), "a duration up to "+MaxWait.String())
	}
}

func (v *Violations) checkJanus(j Janus) {
	seen := map[string]bool{}
	for i, backend := range j.Backends {
		key := fmt.Sprintf("janus.backends[%d]", i)
		switch {
		case backend.ID == "":
			v.add(key+".id", "nothing", "a name")
		case seen[backend.ID]:
			v.add(key+".id", strconv.Quote(backend.ID)+" a second time", "a unique name")
		}
		seen[backend.ID] = true
		for name, value := range map[string]string{"admin_url": backend.AdminURL, "janus_url": backend.JanusURL} {
			if value == "" {
				v.add(key+"."+name, "nothing", "an http or https URL")
			}
			v.checkURL(key+"."+name, value)
		}
	}
}

func (v *Violations) checkSaga(s Saga) {
	for key, d := range map[string]time.Duration{
		"saga.step_wait": s.StepWait, "saga.retry_budget": s.RetryBudget, "saga.grace": s.Grace,
	} {
		if d <= 0 {
			v.add(key, d.String(), "a duration above 0")
		}
	}
	if s.StepWait > MaxStepWait {
		v.add("saga.step_wait", s.StepWait.String(), "a duration up to "+MaxStepWait.String())
	}
	if s.RequestTimeout <= 0 || s.RequestTimeout < s.StepWait {
		v.add("saga.request_timeout", s.RequestTimeout.String(),
			"a duration of at least saga.step_wait, "+s.StepWait.String())
	}
}

func (v *Violations) checkMQTT(c MQTT, account Account) {
	if c.Broker != "" {
		u, err := url.Parse(c.Broker)
		if err != nil || u.Scheme != "mqtt" && u.Scheme != "mqtts" || u.Port() == "" || u.User != nil || u.Path != "" {
			v.add("mqtt.broker", "something else (not shown)", "mqtt://host:port or mqtts://host:port")
		}
	}
	v.checkFile("mqtt.ca_file", c.CAFile)
	v.checkClientID(c.ClientID, account)
	v.checkTopicLevel("mqtt.event_account", c.EventAccount)
	v.checkTopicLevel("mqtt.conference_account", c.ConferenceAccount)
	if c.Group != "" {
		v.checkTopicLevel("mqtt.group", c.Group)
	}
	for i, audience := range c.Audiences {
		v.checkTopicLevel(fmt.Sprintf("mqtt.audiences[%d]", i), audience)
	}
	if c.EventAccount == c.ConferenceAccount {
		v.add("mqtt.conference_account", strconv.Quote(c.ConferenceAccount), "an account other than that of event")
	}
	if c.Session < time.Second || c.Session > math.MaxUint32*time.Second {
		v.add("mqtt.session", c.Session.String(), "a duration of 1s or more")
	}
	if c.LostRoomTimeout <= 0 {
		v.add("mqtt.lost_room_timeout", c.LostRoomTimeout.String(), "a duration above 0")
	}
}

// checkClientID expects an agent id of the account, or nothing. The platform's gateway refuses any other client id.
func (v *Violations) checkClientID(id string, account Account) {
	label, _, _ := strings.Cut(id, ".")
	if id != "" && (label == "" || strings.ContainsAny(label, notInLevel) || id != account.AgentID(label)) {
		v.add("mqtt.client_id", strconv.Quote(id),
			"a label without dots, account.label and account.audience, such as "+account.AgentID("worker-1"))
	}
}

// checkLabel expects a label of an account or agent id, which ends at its first dot.
func (v *Violations) checkLabel(key, label string) {
	if label == "" || strings.ContainsAny(label, notInLevel+".") {
		v.add(key, strconv.Quote(label), "a string without ., /, + and #")
	}
}

// notInLevel are the characters that a level of an MQTT topic cannot contain.
const notInLevel = "/+#\x00"

// checkTopicLevel expects one level of an MQTT topic.
func (v *Violations) checkTopicLevel(key, level string) {
	if level == "" || strings.ContainsAny(level, notInLevel) {
		v.add(key, strconv.Quote(level), "a string without /, + and #")
	}
	v.checkNFC(key, level)
}

func (v *Violations) checkDev(d Dev) {
	v.checkTarget("dev.temporal_listen", d.TemporalListen)
	v.checkTarget("dev.temporal_ui", d.TemporalUI)
	v.checkTarget("dev.event_listen", d.EventListen)
	v.checkTarget("dev.conference_listen", d.ConferenceListen)
	v.checkTarget("dev.broker_listen", d.BrokerListen)
}

func (v *Violations) checkRequired(c Config, required []string) {
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
			v.add(key, "nothing", "a value: it has no default")
		}
	}
}

func (v *Violations) checkText(key, value string) {
	if value == "" {
		v.add(key, "nothing", "a string")
	}
}

// checkNFC expects a name in the form in which all names are compared.
func (v *Violations) checkNFC(key, name string) {
	if !norm.NFC.IsNormalString(name) {
		v.add(key, strconv.QuoteToASCII(name), "a name in Unicode normalization form C (NFC)")
	}
}

// checkBuild expects names that Temporal accepts for a Worker Deployment and its build. If Temporal rejects them, a
// worker polls without receiving tasks.
func (v *Violations) checkBuild(c Config) {
	key, name := "worker.deployment", c.Worker.Deployment
	if name == "" {
		key, name = "temporal.task_queue", c.Temporal.TaskQueue
	}
	if c.Worker.BuildID != "" && (strings.ContainsAny(name, ".:") || strings.HasPrefix(name, "__")) {
		v.add(key, strconv.Quote(name), "a string without . and :, not beginning with __, because worker.build_id is set")
	}
	if strings.HasPrefix(c.Worker.BuildID, "__") {
		v.add("worker.build_id", strconv.Quote(c.Worker.BuildID), "a string not beginning with __")
	}
}

// checkListen expects an address to listen on. Port 0 is allowed: then the system chooses a port.
func (v *Violations) checkListen(key, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		v.add(key, strconv.Quote(address), "an address, host:port")
	}
}

// checkTarget expects an address to connect to.
func (v *Violations) checkTarget(key, address string) {
	host, port, err := net.SplitHostPort(address)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || host == "" || number == 0 {
		v.add(key, strconv.Quote(address), "an address, host:port")
	}
}

// checkURL expects the base URL of an upstream, to which the client appends /api/v1.
func (v *Violations) checkURL(key, value string) {
	if v.checkAddress(key, value) && strings.HasSuffix(strings.TrimRight(value, "/"), "/api/v1") {
		v.add(key, strconv.Quote(value), "the URL without /api/v1")
	}
}

// checkAddress expects an http or https URL without parts that may be secret, or nothing. It reports whether value is
// valid.
func (v *Violations) checkAddress(key, value string) bool {
	if value == "" {
		return true
	}
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		v.add(key, "something else (not shown)", "an http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		v.add(key, "a URL with user, query or fragment", "a plain http or https URL")
	default:
		return true
	}
	return false
}

// checkTraceLink expects the address of a page, in which TraceID stands for the id of a trace, or nothing.
func (v *Violations) checkTraceLink(value string) {
	u, err := url.Parse(value)
	isPage := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		strings.Contains(value, TraceID)
	if value != "" && !isPage {
		v.add("links.traces", "something else (not shown)", "an http or https URL without a user, with "+TraceID)
	}
}

func (v *Violations) checkFile(key, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		v.add(key, fmt.Sprintf("%q (%v)", path, err), "the path of a file that can be read")
		return
	}
	_ = f.Close()
}
