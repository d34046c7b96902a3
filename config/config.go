package config

import (
	"path/filepath"
	"strings"
	"time"
)

// Config holds all settings. The comment of each field states meaning, unit, bounds and default, in a form from which
// docs/configuration.md and docs/configuration.schema.json are generated. The bounds of numbers and the values of
// enumerations are tags too (see Bounds).
type Config struct {
	Database Database `koanf:"database"`
	Temporal Temporal `koanf:"temporal"`
	API      API      `koanf:"api"`
	Worker   Worker   `koanf:"worker"`
	Account  Account  `koanf:"account"`
	// Authentication maps the iss claim of an issuer to its settings; tokens of other issuers are rejected. Default:
	// none, every request is answered 401.
	Authentication map[string]Issuer `koanf:"authentication"`
	// Authorization maps an audience of minigroups to its access policy. Default: none, every request is answered 403.
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
	Links         Links               `koanf:"links"`
	Support       Support             `koanf:"support"`
	Dev           Dev                 `koanf:"dev"`

	set map[string]bool `koanf:"-"` // see IsSet
}

// Database is the Postgres database, which holds all state of the service.
type Database struct {
	// URL is the connection string, postgres://user:password@host:port/name?options. Of several hosts,
	// host:port,host:port, the first one that accepts writes is used. sslmode=verify-full and sslrootcert=FILE among the
	// options verify the server: see docs/postgres.md. Also DATABASE_URL. No default.
	URL DatabaseURL `koanf:"url"`
	// Pooler says that the URL leads to a pooler such as PgBouncer, in transaction or session mode. The role must have
	// timeouts of its own then, and migrate needs the address of Postgres itself: see docs/postgres.md. Default false.
	Pooler bool `koanf:"pooler"`
	// MaxConns is the maximum number of connections per process, 2 to 10000. A quarter of them, at least 1 and at most 4,
	// is reserved for reads. Default 16.
	MaxConns int32 `koanf:"max_conns" min:"2" max:"10000"`
}

// Temporal is the Temporal cluster that runs the sagas. TLS, client certificates and an API key are configured as for
// Temporal's own tools, by the variables TEMPORAL_TLS, TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_CLIENT_CERT_PATH,
// TEMPORAL_TLS_CLIENT_KEY_PATH, TEMPORAL_TLS_SERVER_NAME and TEMPORAL_API_KEY, or by a profile (TEMPORAL_PROFILE) of
// the TOML file TEMPORAL_CONFIG_FILE: see deploy/README.md. The address and the namespace of the profile apply if none
// are set here.
type Temporal struct {
	// Address is the address of the frontend service, host:port. Also TEMPORAL_ADDRESS. Default 127.0.0.1:7233.
	Address string `koanf:"address"`
	// Namespace is the namespace of the workflows. Also TEMPORAL_NAMESPACE. Default "default".
	Namespace string `koanf:"namespace"`
	// TaskQueue is the task queue on which the API starts workflows and which the worker polls. Default minigroups.
	TaskQueue string `koanf:"task_queue"`
	// EncryptionKeyFiles lists the paths of the keys that decrypt what lies in Temporal. Each file holds 32 bytes in
	// base64. Its name without the extension is the id of the key and may not change. Default: none.
	EncryptionKeyFiles []string `koanf:"encryption_key_files"`
	// EncryptionKey is the id of the key that encrypts what is written to Temporal, one of those above. All programs need
	// its file before the first one encrypts with it: see docs/encryption.md. Default "", nothing is encrypted.
	EncryptionKey string `koanf:"encryption_key"`
}

// EncryptionKeyID returns the id of the key in a file.
func EncryptionKeyID(file string) string {
	name := filepath.Base(file)
	return strings.TrimSuffix(name, filepath.Ext(name))
}

// API is the process that answers HTTP requests.
type API struct {
	// Listen is the listen address of the REST API, host:port; port 0 chooses a free port. Default 127.0.0.1:8080.
	Listen string `koanf:"listen"`
	// MetricsListen is the listen address of /metrics and /log/level, host:port. Requests that do not arrive on a
	// loopback address can only read. Default 127.0.0.1:9090.
	MetricsListen string `koanf:"metrics_listen"`
	// Wait is how long POST and PUT wait for their saga before they answer 202, above 0 and up to 60s. Default 15s.
	Wait time.Duration `koanf:"wait"`
	// Worker runs a worker inside the API process, so that a saga starts without a round trip to another process. The
	// process then needs all settings of a worker. Default false.
	Worker bool `koanf:"worker"`
	// TurnHosts lists TURN servers. Each class is assigned one of them, and keeps it while the list does not change.
	// Default: none, the API returns no TURN server.
	TurnHosts []string `koanf:"turn_hosts"`
	// AllowedOrigins lists the origins of web pages that may call the API (CORS), in lower case, such as
	// https://app.example.org; "*" allows all. Default "*".
	AllowedOrigins []string `koanf:"allowed_origins"`
	// WritesPerMinute is the maximum number of POSTs and PUTs per account, process and minute, 0 to 1000000; bursts may
	// use it at once. Further requests are answered 429. Default 0, no limit.
	WritesPerMinute int `koanf:"writes_per_minute" min:"0" max:"1000000"`
	// MaxConcurrentWrites is the maximum number of concurrent POSTs and PUTs per process, 2 to 100000. While several
	// audiences send some, at most half of them are for one. Further requests are answered 503 immediately. Default 512.
	MaxConcurrentWrites int `koanf:"max_concurrent_writes" min:"2" max:"100000"`
	// MaxUnfinished is the maximum number of unfinished creates and updates per audience, in all processes, 0 to 100000; 0
	// is no limit. While an audience has as many, requests that would start another one are answered 503 immediately.
	// Each process counts once a second, so that what arrives within a second may exceed it. Default 1000.
	MaxUnfinished int `koanf:"max_unfinished" min:"0" max:"100000"`
	// IdempotencyKeys is how long an Idempotency-Key and its response are stored, above 0. Default 24h.
	IdempotencyKeys time.Duration `koanf:"idempotency_keys"`
	// IdleTimeout is how long a connection may wait for its next request, 1s to 24h. It must be longer than load balancers
	// keep idle connections, or they send requests on connections that this process has just closed: Google Cloud keeps
	// them for 600s, AWS for 60s. Default 620s.
	IdleTimeout time.Duration `koanf:"idle_timeout"`
	// DrainDelay is how long the process still accepts requests after it was told to stop, up to 60s; /readyz already
	// fails, so that load balancers stop sending requests. Default 0s.
	DrainDelay time.Duration `koanf:"drain_delay"`
}

// MaxWait is the upper bound of API.Wait.
const MaxWait = time.Minute

// Worker is the process that executes the sagas.
type Worker struct {
	// MetricsListen is the listen address of /metrics and /log/level, host:port. Requests that do not arrive on a
	// loopback address can only read. Default 127.0.0.1:9091.
	MetricsListen string `koanf:"metrics_listen"`
	// BuildID is the build id of this program, unique per build. With it, workers join a Worker Deployment: open workflows
	// stay on the build that started them, new ones start on its current build. Also TEMPORAL_WORKER_BUILD_ID. Default "",
	// any worker executes any workflow.
	BuildID string `koanf:"build_id"`
	// Deployment is the name of the Worker Deployment of workers with a build id. Also TEMPORAL_DEPLOYMENT_NAME, which
	// Temporal's Worker Controller sets. Default: temporal.task_queue.
	Deployment string `koanf:"deployment"`
}

// Account is the account as which this service authenticates to other services, label.audience.
type Account struct {
	// Label is the sub claim of the service's tokens. Default minigroups.
	Label string `koanf:"label"`
	// Audience is the iss and aud claim of the service's tokens. Default svc.example.org.
	Audience string `koanf:"audience"`
	// PrivateKeyFile is the path of the key that signs the service's tokens (ES256): a PEM file with a PKCS#8 EC key on
	// P-256. No default.
	PrivateKeyFile string `koanf:"private_key_file"`
}

// AgentID returns the MQTT client id of a worker with this label.
func (a Account) AgentID(label string) string { return label + "." + a.Label + "." + a.Audience }

// Issuer is a trusted issuer of tokens. Exactly one of public_key_file, secret_file and jwks_url is set.
type Issuer struct {
	// Audiences lists the aud claims that the issuer may use. Only the part of aud before the first colon is compared. If
	// aud is an array, exactly one of its members must be in the list. No default.
	Audiences []string `koanf:"audiences"`
	// Algorithm is the only accepted signature algorithm: ES256, HS256, RS256 or EdDSA. No default.
	Algorithm string `koanf:"algorithm" enum:"ES256,HS256,RS256,EdDSA"`
	// PublicKeyFile is the path of a PEM file with the public key or, for ES256, of a file with the uncompressed point of
	// 65 bytes. Not for HS256. No default.
	PublicKeyFile string `koanf:"public_key_file"`
	// SecretFile is the path of a file with the HS256 secret, at least 32 bytes. All bytes count, a trailing line break
	// included. No default.
	SecretFile string `koanf:"secret_file"`
	// JWKSURL is the http or https URL of a JSON Web Key Set. It is fetched every 10 minutes, and when a token has an
	// unknown key id. Keys that are not understood are skipped, as are all after the first 100. Not for HS256. No default.
	JWKSURL string `koanf:"jwks_url"`
	// AllowMissingExp accepts tokens without the claim exp, which never expire. Default false.
	AllowMissingExp bool `koanf:"allow_missing_exp"`
}

// Audience is the access policy for the minigroups of one audience.
type Audience struct {
	// Kind selects the policy: none (all accounts are allowed everything), local (the trusted accounts are allowed
	// everything), localwhitelist (the records list what is allowed) or http (the trusted accounts are allowed
	// everything, and a service of the tenant decides for others). Everything are the actions create, list, read,
	// update, retry, history, cancel and erase; openapi.yaml says which one a route needs. The object of create and list
	// is [namespace of objects], of the others that and the id of a minigroup. No default.
	Kind string `koanf:"kind" enum:"none,local,localwhitelist,http"`
	// Trusted lists account ids, label.audience. Only for kinds local and http. Default: none.
	Trusted []string `koanf:"trusted"`
	// Records lists what is allowed. Only for kind localwhitelist. Default: none.
	Records []Record `koanf:"records"`
	// URI is the http or https URL to which authorization requests are posted. Only for kind http. No default.
	URI string `koanf:"uri"`
	// Timeout bounds each authorization request, above 0 and up to 30s. Only for kind http. Default 5s.
	Timeout time.Duration `koanf:"timeout"`
	// MaxAttempts is the maximum number of attempts per authorization request, up to 5. Only for kind http. Default 1.
	MaxAttempts int `koanf:"max_attempts" min:"0" max:"5"`
}

// Record allows one account one action on one object. All parts must match exactly.
type Record struct {
	// SubjectAccountID is the account id, label.audience. No default.
	SubjectAccountID string `koanf:"subject_account_id"`
	// Object is the object: [classrooms], or [classrooms, id]. No default.
	Object []string `koanf:"object"`
	// Action is the action: create, read, update, retry, history, cancel or erase. No default.
	Action string `koanf:"action"`
}

// The defaults of Audience.Timeout and Audience.MaxAttempts, for kind http.
const (
	DefaultTimeout     = 5 * time.Second
	DefaultMaxAttempts = 1
)

// Access is how tenants of kind http are asked for authorization, for all audiences.
type Access struct {
	// Namespace is the account id that tenants know as the namespace of the objects. Default: account.label, a dot,
	// account.audience.
	Namespace string `koanf:"namespace"`
	// Objects is the first element of every object. Default classrooms.
	Objects string `koanf:"objects"`
	// CacheAllowed is how long a positive decision is cached; 0s disables the cache. Default 5m.
	CacheAllowed time.Duration `koanf:"cache_allowed"`
	// CacheDenied is how long a negative decision is cached; 0s disables the cache. It should be short, so that a newly
	// granted right takes effect soon. Default 10s.
	CacheDenied time.Duration `koanf:"cache_denied"`
	// Concurrency is the maximum number of concurrent authorization requests per process and tenant, at least 1. Default
	// 64.
	Concurrency int `koanf:"concurrency" min:"1"`
}

// Upstream is a service in which the sagas create rooms.
type Upstream struct {
	// URL is the http or https URL of the service, without /api/v1. No default.
	URL string `koanf:"url"`
	// MaxInFlight is the maximum number of requests in flight to the service from all workers together, 1 to 100000, which
	// they share evenly. It must be less than the number of database connections of the service: see docs/capacity.md.
	// Each worker may always send one. Default 8.
	MaxInFlight int `koanf:"max_in_flight" min:"1" max:"100000"`
}

// The values of Janus.Reservation.
const (
	// ReservedByGateway means that this service reserves slots on the configured gateways.
	ReservedByGateway = "gateway"
	// ReservedByConference means that conference owns the gateways and reserves the slots that are requested with the
	// conference room.
	ReservedByConference = "conference"
)

// Janus is how slots on Janus gateways are reserved.
type Janus struct {
	// Reservation selects who reserves slots: gateway (this service, on the backends below) or conference (the conference
	// service, which owns the gateways). Default gateway.
	Reservation string `koanf:"reservation" enum:"gateway,conference"`
	// Group is the group of backends that receive new reservations. Default "", all backends.
	Group string `koanf:"group"`
	// AdminKey is the admin_key of the gateways' VideoRoom plugin. No default.
	AdminKey Secret `koanf:"admin_key"`
	// AdminSecret is the admin_secret of the gateways' Admin API. No default.
	AdminSecret Secret `koanf:"admin_secret"`
	// RoomKey is the key from which the secret of each room is derived. After it changes, the service can no longer
	// update or remove rooms created before. No default.
	RoomKey Secret `koanf:"room_key"`
	// Backends lists the gateways. Default: none.
	Backends []Backend `koanf:"backends"`
}

// Backend is one Janus gateway.
type Backend struct {
	// ID is the permanent name of the gateway, to which reservations refer. No default.
	ID string `koanf:"id"`
	// AdminURL is the URL of its Admin API, http://host:port/admin. No default.
	AdminURL string `koanf:"admin_url"`
	// JanusURL is the URL of its Janus API, http://host:port/janus. No default.
	JanusURL string `koanf:"janus_url"`
	// Group is the group of the gateway. Default "", none.
	Group string `koanf:"group"`
	// Capacity is the number of slots of the gateway, 0 or more. Default: null, unlimited.
	Capacity *int32 `koanf:"capacity" min:"0"`
	// BalancerCapacity is the number of slots that reservations may use, if less than the capacity. Default: null, the
	// capacity.
	BalancerCapacity *int32 `koanf:"balancer_capacity" min:"0"`
}

// MQTT is the broker over which event and conference publish events of created and closed rooms, and over which this
// service publishes its own events.
type MQTT struct {
	// Broker is the address of the broker, mqtt://host:port, or mqtts://host:port for TLS. Without a broker, rooms whose
	// reply was lost are not found, classes end only by their time, and no events are published. Default: none.
	Broker string `koanf:"broker"`
	// CAFile is the path of a PEM file with the certificates that may sign the broker's certificate. Default: those of
	// the system.
	CAFile string `koanf:"ca_file"`
	// Protocol is the version of MQTT, "3.1.1" or "5". Events are published in 3.1.1 as an envelope, a JSON object with
	// payload and properties, and in 5 as the payload with user properties. The platform's gateway converts between both;
	// with another broker, choose the one that the subscribers read. Default "3.1.1".
	Protocol string `koanf:"protocol" enum:"3.1.1,5"`
	// ClientID is the MQTT client id, for whose session the broker keeps events while the worker is disconnected. It is an
	// agent id: a label without dots, account.label and account.audience, separated by dots. It must be unique per worker
	// and stay the same after a restart. An API process that runs a worker appends -api to the label. Default: the host
	// name with - in place of dots, account.label and account.audience.
	ClientID string `koanf:"client_id"`
	// Group is the name of a shared subscription, which delivers each event to one of the workers. The broker must keep
	// shared subscriptions across restarts; mosquitto does not. Default "", each worker receives all events.
	Group string `koanf:"group"`
	// Session is how long the broker keeps events for a disconnected worker, at least 1s. Only for protocol 5; in 3.1.1 a
	// setting of the broker decides. Default 1h.
	Session time.Duration `koanf:"session"`
	// EventAccount is the account id of event in the topics on which it publishes. Default event.svc.example.org.
	EventAccount string `koanf:"event_account"`
	// ConferenceAccount is the account id of conference in the topics on which it publishes. Default
	// conference.svc.example.org.
	ConferenceAccount string `koanf:"conference_account"`
	// Audiences lists the audiences whose events are received. Default: all.
	Audiences []string `koanf:"audiences"`
	// LostRoomTimeout is how long after its deadline a lost create request may still be resolved by a room event, above
	// 0. Then it is resolved as never_seen. Default 24h.
	LostRoomTimeout time.Duration `koanf:"lost_room_timeout"`
}

// The values of MQTT.Protocol.
const (
	MQTT311 = "3.1.1"
	MQTT5   = "5"
)

// Saga holds the timeouts and limits of creates and updates.
type Saga struct {
	// RequestTimeout is the maximum duration of a request that creates a room, at least saga.step_wait. A request that is
	// not answered by then is lost. Default 60s.
	RequestTimeout time.Duration `koanf:"request_timeout"`
	// MaxInFlight is the maximum number of requests that a process has in flight to each of event, conference and every
	// gateway, 0 to 1000. Further requests wait. 0 disables this and all other limits for services, and sends requests
	// also to a service that is overloaded or away. Default 4.
	MaxInFlight int `koanf:"max_in_flight" min:"0" max:"1000"`
	// StepWait is how long one attempt of a step waits for an answer, above 0 and up to 13s. Default 10s.
	StepWait time.Duration `koanf:"step_wait"`
	// RetryBudget is how long a step is retried while it fails without being refused, above 0. Then the saga is undone.
	// Default 6h.
	RetryBudget time.Duration `koanf:"retry_budget"`
	// Grace is how long after its scheduled end a class may continue before it is closed permanently, above 0. Default
	// 6h.
	Grace time.Duration `koanf:"grace"`
}

// MaxStepWait is the upper bound of Saga.StepWait. The longest step waits twice for an answer and must end before
// Temporal takes its worker for dead.
const MaxStepWait = 13 * time.Second

// Retention is how long finished records are kept. Minigroups and their current rooms, slots and updates are kept
// permanently.
type Retention struct {
	// History is how long the ledger keeps closed rooms, requests that created no room, released slots and superseded
	// updates: at least 336h, and longer than Temporal keeps closed workflows. 0s keeps them permanently. Default 2160h.
	History time.Duration `koanf:"history"`
}

// MinHistory is the lower bound of Retention.History. No request that is as old can still be answered.
const MinHistory = 14 * 24 * time.Hour

// Log is the log of the processes, JSON lines on standard error.
type Log struct {
	// Level is the minimum level: debug, info, warn or error. Default info.
	Level string `koanf:"level" enum:"debug,info,warn,error"`
}

// Tracing is the export of spans over OTLP/HTTP by API and worker. A trace covers a request, its saga, the steps, and
// their queries and requests to other services.
type Tracing struct {
	// Endpoint is the http or https URL to which spans are posted, path included, such as http://host:4318/v1/traces.
	// Default: none, tracing is disabled.
	Endpoint string `koanf:"endpoint"`
	// Headers are added to each export request, such as an access token. Default: none.
	Headers map[string]Secret `koanf:"headers"`
	// SampleRatio is the fraction of requests that is traced, 0 to 1. A request that is part of a caller's trace follows
	// the caller's sampling decision. Default 1.
	SampleRatio float64 `koanf:"sample_ratio" min:"0" max:"1"`
}

// Links are the addresses of other tools' pages, which API and ops show beside the history of a class.
type Links struct {
	// TemporalUI is the http or https URL of the Temporal UI, without a path, such as http://127.0.0.1:8233. Default:
	// none, runs have no links.
	TemporalUI string `koanf:"temporal_ui"`
	// Traces is the http or https URL of the page of a trace, in which {id} stands for the trace's id, such as
	// http://127.0.0.1:16686/trace/{id}. Default: none, traces have no links.
	Traces string `koanf:"traces"`
}

// TraceID stands for the id of a trace in Links.Traces.
const TraceID = "{id}"

// Support is the page of the API on which support finds a class, sees what it waits for, retries and cancels.
type Support struct {
	// Enabled serves the page at /support. It has no rights of its own: its user signs in with a token, and may do
	// what the token's account may do in the API. Default true.
	Enabled bool `koanf:"enabled"`
}

// Dev is for cmd/dev only, which runs everything on one machine. It starts only what has no address above: Postgres
// without database.url, Temporal without temporal.address, the stand-ins without event.url and conference.url, the
// broker without mqtt.broker, Janus without janus.backends.
type Dev struct {
	// PostgresPort is the port of Postgres on 127.0.0.1. Default 54329.
	PostgresPort int `koanf:"postgres_port" min:"1" max:"65535"`
	// TemporalListen is the listen address of Temporal, host:port. Default 127.0.0.1:7233.
	TemporalListen string `koanf:"temporal_listen"`
	// TemporalUI is the listen address of the Temporal UI, host:port. Default 127.0.0.1:8233.
	TemporalUI string `koanf:"temporal_ui"`
	// EventListen is the listen address of the event stand-in, host:port. Default 127.0.0.1:8091.
	EventListen string `koanf:"event_listen"`
	// ConferenceListen is the listen address of the conference stand-in, host:port. Default 127.0.0.1:8092.
	ConferenceListen string `koanf:"conference_listen"`
	// BrokerListen is the listen address of the MQTT broker, host:port. Default 127.0.0.1:1883.
	BrokerListen string `koanf:"broker_listen"`
	// JanusPort is the port of Janus on 127.0.0.1. Default 8088.
	JanusPort int `koanf:"janus_port" min:"1" max:"65535"`
	// JanusAdminPort is the port of the Admin API of Janus on 127.0.0.1. Default 7088.
	JanusAdminPort int `koanf:"janus_admin_port" min:"1" max:"65535"`
}

// Default returns the default settings.
func Default() Config {
	return Config{
		Database: Database{MaxConns: 16},
		Temporal: Temporal{Address: "127.0.0.1:7233", Namespace: "default", TaskQueue: "minigroups"},
		API: API{
			Listen: "127.0.0.1:8080", MetricsListen: "127.0.0.1:9090", Wait: 15 * time.Second,
			MaxConcurrentWrites: 512, MaxUnfinished: 1000, AllowedOrigins: []string{"*"}, IdempotencyKeys: 24 * time.Hour,
			IdleTimeout: 620 * time.Second,
		},
		Worker: Worker{MetricsListen: "127.0.0.1:9091"},
		Event:  Upstream{MaxInFlight: 8}, Conference: Upstream{MaxInFlight: 8},
		Account: Account{Label: "minigroups", Audience: "svc.example.org"},
		Access: Access{
			Objects: "classrooms", CacheAllowed: 5 * time.Minute, CacheDenied: 10 * time.Second, Concurrency: 64,
		},
		Janus: Janus{Reservation: ReservedByGateway},
		MQTT: MQTT{
			Protocol: MQTT311, Session: time.Hour,
			EventAccount: "event.svc.example.org", ConferenceAccount: "conference.svc.example.org",
			LostRoomTimeout: 24 * time.Hour,
		},
		Saga: Saga{
			RequestTimeout: time.Minute, MaxInFlight: 4, StepWait: 10 * time.Second,
			RetryBudget: 6 * time.Hour, Grace: 6 * time.Hour,
		},
		Retention: Retention{History: 90 * 24 * time.Hour},
		Log:       Log{Level: "info"},
		Tracing:   Tracing{SampleRatio: 1},
		Support:   Support{Enabled: true},
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

// IsSet reports whether the file or the environment sets key, or a key below it.
func (c Config) IsSet(key string) bool { return c.set[key] }
