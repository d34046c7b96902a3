package config

import "time"

// Config is everything that can be configured. Each field says its meaning,
// unit and default, in a form of which docs/configuration.md is made.
type Config struct {
	Database Database `koanf:"database"`
	Temporal Temporal `koanf:"temporal"`
	API      API      `koanf:"api"`
	Worker   Worker   `koanf:"worker"`
	Account  Account  `koanf:"account"`
	// Authentication names the issuers whose tokens are taken, by their iss
	// claim. Default: none, every request is 401.
	Authentication map[string]Issuer `koanf:"authentication"`
	// Authorization says per audience of a minigroup who may do something
	// there. Default: none, every request is 403.
	Authorization map[string]Audience `koanf:"authorization"`
	Access        Access              `koanf:"access"`
	Event         Upstream            `koanf:"event"`
	Conference    Upstream            `koanf:"conference"`
	Janus         Janus               `koanf:"janus"`
	MQTT          MQTT                `koanf:"mqtt"`
	Saga          Saga                `koanf:"saga"`
	Retention     Retention           `koanf:"retention"`
	Log           Log                 `koanf:"log"`
	Tracing       Tracing             `koanf:"tracing"`
	Dev           Dev                 `koanf:"dev"`

	given map[string]bool `koanf:"-"`
}

// Database is the Postgres database that holds everything the service knows.
type Database struct {
	// URL is where it is: postgres://user:password@host:port/name?options.
	// Also DATABASE_URL. No default.
	URL DatabaseURL `koanf:"url"`
	// MaxConns bounds the connections that one process holds, at least 2. A
	// quarter of them, at most 4, is kept for reads. Default 16.
	MaxConns int32 `koanf:"max_conns"`
}

// Temporal is the cluster that runs the sagas.
type Temporal struct {
	// Address is its frontend, host:port. Also TEMPORAL_ADDRESS. Default
	// 127.0.0.1:7233.
	Address string `koanf:"address"`
	// Namespace holds our runs. Also TEMPORAL_NAMESPACE. Default "default".
	Namespace string `koanf:"namespace"`
	// TaskQueue is what the API starts runs on and the worker polls. Default
	// minigroups.
	TaskQueue string `koanf:"task_queue"`
}

// API is the process that answers HTTP requests.
type API struct {
	// Listen is the address of the REST API, host:port. Default 127.0.0.1:8080.
	Listen string `koanf:"listen"`
	// MetricsListen is the address of its /metrics. Default 127.0.0.1:9090.
	MetricsListen string `koanf:"metrics_listen"`
	// Wait is how long POST and PUT wait for their saga before they answer 202.
	// A duration up to 60s. Default 15s.
	Wait time.Duration `koanf:"wait"`
	// Worker has the process carry out sagas, too, as a worker does, which spares
	// each the way to a worker and back: it needs all that a worker is told.
	// Default false.
	Worker bool `koanf:"worker"`
	// TurnHosts are TURN servers; each class is told one of them, always the
	// same while the list stays. Default: none, none is told.
	TurnHosts []string `koanf:"turn_hosts"`
	// AllowedOrigins are those of the web pages that may call it, such as
	// https://app.example.org; "*" is every page. Default "*".
	AllowedOrigins []string `koanf:"allowed_origins"`
	// WritesPerMinute is how many POSTs and PUTs each account may send to one
	// process, all at once or spread; beyond it they are answered 429. Default
	// 0, no limit.
	WritesPerMinute int `koanf:"writes_per_minute"`
	// MaxConcurrentWrites is how many POSTs and PUTs one process works on at a time, at
	// most half of them for one audience; beyond it they are answered 503 at
	// once. Default 512.
	MaxConcurrentWrites int `koanf:"max_concurrent_writes"`
	// IdempotencyKeys is how long an Idempotency-Key and the answer to it are
	// remembered. Default 24h.
	IdempotencyKeys time.Duration `koanf:"idempotency_keys"`
	// DrainDelay is how long it goes on taking requests once it was told to
	// end, while /readyz says that it is ending: as long as a load balancer
	// needs to notice. Default 0s.
	DrainDelay time.Duration `koanf:"drain_delay"`
}

// MaxWait is the longest that a request may wait for its saga.
const MaxWait = time.Minute

// Worker is the process that works on the sagas.
type Worker struct {
	// MetricsListen is the address of its /metrics. Default 127.0.0.1:9091.
	MetricsListen string `koanf:"metrics_listen"`
	// BuildID names the build of the program, other than all before. Runs then
	// stay on workers of the build that began them, and new ones go to the build
	// that was made the current one of the Worker Deployment, which bears the
	// name of the task queue. Default "", any worker takes any run.
	BuildID string `koanf:"build_id"`
}

// Account is who this service is to the services it calls: label.audience.
type Account struct {
	// Label is the sub claim of its tokens. Default minigroups.
	Label string `koanf:"label"`
	// Audience is their iss and aud claim. Default svc.example.org.
	Audience string `koanf:"audience"`
	// PrivateKeyFile signs them, ES256: a PEM file with a PKCS#8 EC key on
	// P-256. No default.
	PrivateKeyFile string `koanf:"private_key_file"`
}

// Issuer is somebody whose tokens are taken. Its key is in exactly one of a
// public key file, a secret file and behind a JWKS URL.
type Issuer struct {
	// Audiences are the aud claims it may speak for. No default.
	Audiences []string `koanf:"audiences"`
	// Algorithm is the only one its tokens may be signed with: ES256, HS256,
	// RS256 or EdDSA. No default.
	Algorithm string `koanf:"algorithm"`
	// PublicKeyFile verifies them, not for HS256: a PEM file with a public key
	// or, for ES256, one with the bare point of 65 bytes. No default.
	PublicKeyFile string `koanf:"public_key_file"`
	// SecretFile verifies those of HS256: its bytes as they are, at least 32,
	// a line break at its end included. No default.
	SecretFile string `koanf:"secret_file"`
	// JWKSURL is the http or https address of its public keys (JSON Web Key
	// Set), not for HS256: read every 10 minutes, and when a token names a new
	// key. No default.
	JWKSURL string `koanf:"jwks_url"`
	// AllowMissingExp takes tokens that never expire, too. Default false.
	AllowMissingExp bool `koanf:"allow_missing_exp"`
}

// Audience says who may do something with the minigroups of one audience.
type Audience struct {
	// Kind is none (every account may do everything), local (the trusted ones
	// may), localwhitelist (what the records say) or http (the trusted ones may,
	// about others a service of the tenant is asked). No default.
	Kind string `koanf:"kind"`
	// Trusted are account ids, label.audience. Only for kinds local and http.
	// Default: none.
	Trusted []string `koanf:"trusted"`
	// Records each allow one thing. Only for kind localwhitelist. Default: none.
	Records []Record `koanf:"records"`
	// URI is the http or https address that questions are posted to. Only for
	// kind http. No default.
	URI string `koanf:"uri"`
	// Timeout is how long an answer is waited for. Only for kind http. Default
	// 5s.
	Timeout time.Duration `koanf:"timeout"`
	// MaxAttempts is how often a question is asked until it is answered. Only
	// for kind http. Default 1.
	MaxAttempts int `koanf:"max_attempts"`
}

// Record lets one account do one thing, word for word.
type Record struct {
	// SubjectAccountID is the account's id, label.audience. No default.
	SubjectAccountID string `koanf:"subject_account_id"`
	// Object is to what: [classrooms], or [classrooms, id]. No default.
	Object []string `koanf:"object"`
	// Action is create, read, update or retry. No default.
	Action string `koanf:"action"`
}

// What an audience of kind http gets where it says nothing.
const (
	DefaultTimeout     = 5 * time.Second
	DefaultMaxAttempts = 1
)

// Access is how tenants are asked who may do something, for all audiences of
// kind http.
type Access struct {
	// Namespace is the account id under which they know this service, and its
	// objects. Default: account.label, a dot,
	// account.audience.
	Namespace string `koanf:"namespace"`
	// Objects is the first word of every object. Default classrooms.
	Objects string `koanf:"objects"`
	// CacheAllowed is how long it counts that something was allowed; 0s asks
	// each time. Default 5m.
	CacheAllowed time.Duration `koanf:"cache_allowed"`
	// CacheDenied is the same for what was denied: short, as people try again
	// once somebody has given them the right. Default 10s.
	CacheDenied time.Duration `koanf:"cache_denied"`
	// Concurrency is how many questions each tenant is asked at a time, by each
	// process. Default 64.
	Concurrency int `koanf:"concurrency"`
}

// Upstream is a service whose rooms we create.
type Upstream struct {
	// URL is its http or https address, without /api/v1. No default.
	URL string `koanf:"url"`
}

// Who makes the reservation of a minigroup's slots.
const (
	// ReservedByGateway : this service, on the Janus gateways it knows.
	ReservedByGateway = "gateway"
	// ReservedByConference : conference, which owns the gateways; the number
	// goes with the conference room.
	ReservedByConference = "conference"
)

// Janus is where slots are reserved.
type Janus struct {
	// Reservation is gateway (this service reserves on the backends below) or
	// conference (conference owns the gateways and reserves). Default gateway.
	Reservation string `koanf:"reservation"`
	// Group is the group of backends that new reservations go to. Default "",
	// any.
	Group string `koanf:"group"`
	// AdminKey is the admin_key of the gateways' VideoRoom plugin. No default.
	AdminKey Secret `koanf:"admin_key"`
	// AdminSecret is the admin_secret of their Admin API. No default.
	AdminSecret Secret `koanf:"admin_secret"`
	// RoomKey is what the secrets of single rooms derive from. Rooms made under
	// another one are no longer ours to change or remove. No default.
	RoomKey Secret `koanf:"room_key"`
	// Backends are the gateways. Default: none.
	Backends []Backend `koanf:"backends"`
}

// Backend is one Janus gateway.
type Backend struct {
	// ID names it for good: reservations refer to it. No default.
	ID string `koanf:"id"`
	// AdminURL is its Admin API, http://host:port/admin. No default.
	AdminURL string `koanf:"admin_url"`
	// JanusURL is its Janus API, http://host:port/janus. No default.
	JanusURL string `koanf:"janus_url"`
	// Group is the group it belongs to. Default "", none.
	Group string `koanf:"group"`
	// Capacity is how many slots it has. Default: null, unlimited.
	Capacity *int32 `koanf:"capacity"`
	// BalancerCapacity is up to where reservations fill it, when that is less
	// than its capacity. Default: null, its capacity.
	BalancerCapacity *int32 `koanf:"balancer_capacity"`
}

// Announcements is what event and conference tell over MQTT: rooms that were
// made, and rooms that were closed. Workers listen to it.
type MQTT struct {
	// Broker is the address of the MQTT broker that event and conference
	// announce on: mqtt://host:port, or mqtts://host:port for TLS. Without one
	// nobody listens: rooms whose reply was lost are not found, and a class ends
	// by its time alone. Default: none.
	Broker string `koanf:"broker"`
	// CAFile holds the certificates that the broker's is verified with: PEM.
	// Default: those of the system.
	CAFile string `koanf:"ca_file"`
	// ClientID names the session which the broker keeps for a worker that is
	// away. Each worker needs its own, the same after a restart; that of an API
	// which carries out sagas ends in -api besides. Default: the name of the
	// host.
	ClientID string `koanf:"client_id"`
	// Group makes all workers one shared subscription, so that each announcement
	// goes to one of them; for brokers that keep such subscriptions when they
	// are restarted (mosquitto does not). Default "": each worker hears all.
	Group string `koanf:"group"`
	// Session is how long the broker keeps announcements for a worker that is
	// away. Default 1h.
	Session time.Duration `koanf:"session"`
	// EventAccount is event's account id, as in the topics it announces on.
	// Default event.svc.example.org.
	EventAccount string `koanf:"event_account"`
	// ConferenceAccount is that of conference. Default
	// conference.svc.example.org.
	ConferenceAccount string `koanf:"conference_account"`
	// Audiences are those whose rooms are listened to. Default: all.
	Audiences []string `koanf:"audiences"`
	// NeverSeen is how long after its moment a create without an answer may
	// still be found by its announcement; then it counts as never seen. Default
	// 24h.
	NeverSeen time.Duration `koanf:"never_seen"`
}

// Saga is how patient the creation or update of a minigroup is.
type Saga struct {
	// RequestTimeout is how long a request that creates a room may stay in flight
	// before its attempt counts as lost. At least saga.step_wait. Default 60s.
	RequestTimeout time.Duration `koanf:"request_timeout"`
	// MaxInFlight is how many requests of creates one process has in flight to
	// each of event and conference at a time, at most half of them for one
	// audience; what is beyond it is tried again later, as if the service were
	// not available. Default 512.
	MaxInFlight int `koanf:"max_in_flight"`
	// StepWait is how long one try of a step waits for an answer. Default 10s.
	StepWait time.Duration `koanf:"step_wait"`
	// RetryBudget is how long a step is retried that gets no answer and no
	// refusal; then the saga is undone. Default 6h.
	RetryBudget time.Duration `koanf:"retry_budget"`
	// Grace is how long a class may run over its end before it is closed for
	// good. Default 6h.
	Grace time.Duration `koanf:"grace"`
}

// Retention is how long is kept what is over. Minigroups themselves, and what
// they have, are kept for ever.
type Retention struct {
	// History is how long the ledger remembers rooms that are closed, requests
	// that made none, slots that were given back and updates before the last of
	// a class: longer than Temporal keeps runs that have ended, and at least
	// 336h. 0s: for ever. Default 2160h.
	History time.Duration `koanf:"history"`
}

// MinHistory is the shortest history. Nothing that is as old can still be answered.
const MinHistory = 14 * 24 * time.Hour

// Log is what the processes say about themselves.
type Log struct {
	// Level is the least that is logged: debug, info, warn or error. Default
	// info.
	Level string `koanf:"level"`
}

// Tracing is where API and worker send spans (OTLP over HTTP) that show what
// each request has come to: its saga, the steps, their queries and calls.
type Tracing struct {
	// Endpoint is the http or https address that spans are posted to, its path
	// included: http://host:4318/v1/traces. Default: none, no spans are made.
	Endpoint string `koanf:"endpoint"`
	// Headers are sent with each of those requests, such as a token that the
	// receiver asks for. Default: none.
	Headers map[string]Secret `koanf:"headers"`
	// SampleRatio is the part of the requests that is traced, from 0 to 1. A
	// request that belongs to a trace of its caller is traced where that is.
	// Default 1.
	SampleRatio float64 `koanf:"sample_ratio"`
}

// Dev is for cmd/dev alone, which runs everything on one machine. It starts
// nothing whose address is configured above: a Postgres only without
// database.url, a Temporal only without temporal.address, the stand-ins only
// without event.url and conference.url, a broker only without
// mqtt.broker, a Janus only without janus.backends.
type Dev struct {
	// PostgresPort is the port of its Postgres on 127.0.0.1. Default 54329.
	PostgresPort int `koanf:"postgres_port"`
	// TemporalListen is the address of its Temporal. Default 127.0.0.1:7233.
	TemporalListen string `koanf:"temporal_listen"`
	// TemporalUI is the address of its Temporal UI. Default 127.0.0.1:8233.
	TemporalUI string `koanf:"temporal_ui"`
	// EventListen is the address of the event stand-in. Default 127.0.0.1:8091.
	EventListen string `koanf:"event_listen"`
	// ConferenceListen is the address of the conference stand-in. Default
	// 127.0.0.1:8092.
	ConferenceListen string `koanf:"conference_listen"`
	// BrokerListen is the address of its MQTT broker. Default 127.0.0.1:1883.
	BrokerListen string `koanf:"broker_listen"`
	// JanusPort is the port of its Janus on 127.0.0.1. Default 8088.
	JanusPort int `koanf:"janus_port"`
	// JanusAdminPort is the port of its Admin API. Default 7088.
	JanusAdminPort int `koanf:"janus_admin_port"`
}

// Default returns what holds where neither file nor environment say anything.
func Default() Config {
	return Config{
		Database: Database{MaxConns: 16},
		Temporal: Temporal{Address: "127.0.0.1:7233", Namespace: "default", TaskQueue: "minigroups"},
		API: API{
			Listen: "127.0.0.1:8080", MetricsListen: "127.0.0.1:9090", Wait: 15 * time.Second,
			MaxConcurrentWrites: 512, AllowedOrigins: []string{"*"}, IdempotencyKeys: 24 * time.Hour,
		},
		Worker:  Worker{MetricsListen: "127.0.0.1:9091"},
		Account: Account{Label: "minigroups", Audience: "svc.example.org"},
		Access:  Access{Objects: "classrooms", CacheAllowed: 5 * time.Minute, CacheDenied: 10 * time.Second, Concurrency: 64},
		Janus:   Janus{Reservation: ReservedByGateway},
		MQTT: MQTT{
			Session:      time.Hour,
			EventAccount: "event.svc.example.org", ConferenceAccount: "conference.svc.example.org",
			NeverSeen: 24 * time.Hour,
		},
		Saga:      Saga{RequestTimeout: time.Minute, MaxInFlight: 512, StepWait: 10 * time.Second, RetryBudget: 6 * time.Hour, Grace: 6 * time.Hour},
		Retention: Retention{History: 90 * 24 * time.Hour},
		Log:       Log{Level: "info"},
		Tracing:   Tracing{SampleRatio: 1},
		Dev: Dev{
			PostgresPort:     54329,
			TemporalListen:   "127.0.0.1:7233",
			TemporalUI:       "127.0.0.1:8233",
			EventListen:      "127.0.0.1:8091",
			ConferenceListen: "127.0.0.1:8092",
			BrokerListen:     "127.0.0.1:1883",
			JanusPort:        8088,
			JanusAdminPort:   7088,
		},
	}
}

// Given reports whether the file or the environment said something for key
// (or for a key below it), as opposed to its default.
func (c Config) Given(key string) bool { return c.given[key] }
