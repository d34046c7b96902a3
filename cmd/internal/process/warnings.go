package process

import (
	"net/url"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/sdk/contrib/envconfig"

	"minigroups/config"
)

// warning is a setting that is valid but rarely meant, because its default suits one machine or a connection can be
// read on its way.
type warning struct {
	key string
	// programs are those that use the setting.
	programs []string
	applies  func(s settings) bool
	// problem says what happens, and remedy what to do.
	problem, remedy string
}

// settings are all that a program is configured by.
type settings struct {
	config.Config
	profile envconfig.ClientConfigProfile // of Temporal
}

// warnings are what programs log at their start. None applies to a service on one machine. A default that is meant can
// be set explicitly.
var warnings = []warning{
	{
		key: "api.allowed_origins", programs: []string{"api"},
		applies: func(s settings) bool {
			return !isLoopback(s.API.Listen) && !s.IsSet("api.allowed_origins")
		},
		problem: `it is not set, so pages of every origin may call the API`,
		remedy:  `list the origins of your pages, or set it to ["*"]`,
	},
	{
		key: "api.drain_delay", programs: []string{"api"},
		applies: func(s settings) bool {
			return !isLoopback(s.API.Listen) && !s.IsSet("api.drain_delay")
		},
		problem: "it is not set, so a load balancer still sends requests when the process has ended",
		remedy:  "set it longer than the balancer takes to react to /readyz, or to 0s without a balancer",
	},
	{
		key: "authentication[].jwks_url", programs: []string{"api"},
		applies: func(s settings) bool {
			for _, issuer := range s.Authentication {
				if isPlain(issuer.JWKSURL, "http") {
					return true
				}
			}
			return false
		},
		problem: "it is fetched without TLS, so who can change the answer on its way can make valid tokens",
		remedy:  "use https://",
	},
	{
		key: "authorization[].uri", programs: []string{"api"},
		applies: func(s settings) bool {
			for _, audience := range s.Authorization {
				if isPlain(audience.URI, "http") {
					return true
				}
			}
			return false
		},
		problem: "it is asked without TLS, so who can change the answer on its way decides what is allowed",
		remedy:  "use https://",
	},
	{
		key: "mqtt.broker", programs: []string{"worker"},
		applies: func(s settings) bool {
			return s.MQTT.Broker == "" && !s.IsSet("mqtt.broker")
		},
		problem: "it is not set, so rooms whose reply was lost stay open, classes end only by their time, " +
			"and no events are published",
		remedy: `set it to the address of the broker, or to "" if there is none`,
	},
	{
		key: "mqtt.broker", programs: []string{"worker"},
		applies: func(s settings) bool { return isPlain(s.MQTT.Broker, "mqtt") },
		problem: "the connection has no TLS, so the service's token can be read on its way",
		remedy:  "use mqtts://",
	},
	{
		key: "temporal.address", programs: []string{"api", "worker", "migrate"},
		applies: func(s settings) bool {
			o, err := s.profile.ToClientOptions(envconfig.ToClientOptionsRequest{})
			return err == nil && o.ConnectionOptions.TLS == nil && !isLoopback(s.Temporal.Address)
		},
		problem: "the connection has no TLS, so who reaches it can read and start workflows",
		remedy:  "set TEMPORAL_TLS=true, and client certificates, as deploy/README.md says",
	},
	{
		key: "temporal.encryption_key", programs: []string{"api", "worker", "migrate"},
		applies: func(s settings) bool {
			return len(s.Temporal.EncryptionKeyFiles) > 0 && !s.IsSet("temporal.encryption_key")
		},
		problem: "it is not set, so nothing is encrypted although there are keys",
		remedy:  `set it to the id of a key once all programs have the key, or to "" to only decrypt`,
	},
	{
		key: "database.url", programs: []string{"api", "worker", "migrate"},
		applies: func(s settings) bool { return allowsPlainPostgres(s.Database.URL) },
		problem: "the connection may have no TLS, so it can be read on its way",
		remedy:  "add sslmode=verify-full, as docs/postgres.md says",
	},
}

// warnings returns those that apply to a program, one line each. An API with a worker gets those of both.
func (s settings) warnings(program string) (lines []string) {
	programs := []string{program}
	if program == "api" && s.API.Worker {
		programs = append(programs, "worker")
	}
	for _, w := range warnings {
		uses := slices.ContainsFunc(w.programs, func(p string) bool { return slices.Contains(programs, p) })
		if uses && w.applies(s) {
			lines = append(lines, w.key+": "+w.problem+": "+w.remedy)
		}
	}
	return lines
}

// isPlain reports whether a URL leads to another machine and has the scheme without TLS.
func isPlain(address, scheme string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == scheme && !isLoopback(u.Hostname())
}

// allowsPlainPostgres reports whether the options of the URL and of the environment allow a connection to another
// machine without TLS. A URL that cannot be used is reported elsewhere.
func allowsPlainPostgres(address config.DatabaseURL) bool {
	cfg, err := pgconn.ParseConfig(address.Reveal())
	if err != nil {
		return false
	}
	hosts := append([]*pgconn.FallbackConfig{{Host: cfg.Host, TLSConfig: cfg.TLSConfig}}, cfg.Fallbacks...)
	return slices.ContainsFunc(hosts, func(h *pgconn.FallbackConfig) bool {
		isSocket := strings.HasPrefix(h.Host, "/")
		return h.TLSConfig == nil && !isSocket && !isLoopback(h.Host)
	})
}
