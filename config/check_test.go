package config_test

import (
	"errors"
	"reflect"
	"testing"

	"minigroups/config"
)

func TestInvalidSettings(t *testing.T) {
	testInvalid(t, map[string]invalidConfig{
		"api.wait of 0": {file: "api: {wait: 0s}", want: violation("api.wait", "0s", "above 0")},
		"an empty TURN host": {
			file: "api: {turn_hosts: [a.example.org, '']}",
			want: violation("api.turn_hosts", `""`, "a list of hosts"),
		},
		"api.wait above its maximum": {file: "api: {wait: 61s}", want: violation("api.wait", "1m1s", "up to 1m0s")},
		"an origin with a path": {
			file: "api: {allowed_origins: ['https://a.b', 'https://a.b/']}",
			want: violation("api.allowed_origins[1]", "https://a.b/", "an origin"),
		},
		"an origin in upper case": {
			env:  "MINIGROUPS_API__ALLOWED_ORIGINS=[https://A.b]",
			want: violation("api.allowed_origins[0]", "https://A.b", "lower case"),
		},
		"api.max_unfinished above its maximum": {
			file: "api: {max_unfinished: 100001}",
			want: violation("api.max_unfinished", "100001", "from 0 to 100000"),
		},
		"api.max_concurrent_writes below its minimum": {
			file: "api: {max_concurrent_writes: 0}",
			want: violation("api.max_concurrent_writes", "0", "from 2"),
		},
		"conference.max_in_flight below its minimum": {
			file: "conference: {max_in_flight: 0}",
			want: violation("conference.max_in_flight", "0", "from 1 to 100000"),
		},
		"saga.max_in_flight below its minimum": {
			file: "saga: {max_in_flight: -1}",
			want: violation("saga.max_in_flight", "-1", "from 0 to 1000"),
		},
		"a negative rate limit": {
			file: "api: {writes_per_minute: -1}",
			want: violation("api.writes_per_minute", "-1", "from 0"),
		},
		"api.idempotency_keys of 0": {
			file: "api: {idempotency_keys: 0s}",
			want: violation("api.idempotency_keys", "0s", "above 0"),
		},
		"an account that is not in NFC": {
			file: "account: {label: jose\u0301}",
			want: violation("account.label", `"jose\u0301"`, "NFC"),
		},
		"an audience of events that is not in NFC": {
			file: "mqtt: {audiences: [cafe\u0301]}",
			want: violation("mqtt.audiences[0]", `"cafe\u0301"`, "NFC"),
		},
		"an api.idle_timeout of zero": {
			file: "api: {idle_timeout: 0s}",
			want: violation("api.idle_timeout", "0s", "from 1s to 24h"),
		},
		"api.drain_delay above its maximum": {
			file: "api: {drain_delay: 61s}",
			want: violation("api.drain_delay", "1m1s", "up to 1m0s"),
		},
		"a task queue that is not a deployment name": {
			file: "temporal: {task_queue: a.b}\nworker: {build_id: '1'}",
			want: violation("temporal.task_queue", `"a.b"`, "without . and :"),
		},
		"a deployment name that Temporal rejects": {
			file: "worker: {build_id: '1', deployment: a.b}",
			want: violation("worker.deployment", `"a.b"`, "without . and :"),
		},
		"a build id that Temporal rejects": {
			file: "worker: {build_id: __x}",
			want: violation("worker.build_id", `"__x"`, "not beginning with __"),
		},
		"a sample ratio above 1": {
			file: "tracing: {sample_ratio: 1.5}",
			want: violation("tracing.sample_ratio", "1.5", "from 0 to 1"),
		},
		"a sample ratio of NaN": {
			env:  "MINIGROUPS_TRACING__SAMPLE_RATIO=NaN",
			want: violation("tracing.sample_ratio (MINIGROUPS_TRACING__SAMPLE_RATIO)", "NaN", "from 0 to 1"),
		},
		"a page of traces without their id": {
			file: "links: {traces: 'http://traces/'}", want: violation("links.traces", "not shown", "{id}"),
		},
		"a page of traces with a password": {
			file: "links: {traces: 'http://a:hunter2@traces/{id}'}",
			want: violation("links.traces", "not shown", "without a user"),
		},
		"a Temporal UI with a query": {
			file: "links: {temporal_ui: 'http://ui/?a=b'}", want: violation("links.temporal_ui", "query", "plain"),
		},
		"a tracing endpoint with a password": {
			file: "tracing: {endpoint: 'http://u:hunter2@c/v1/traces'}",
			want: violation("tracing.endpoint", "user", "plain"),
		},
		"database.max_conns below its minimum": {
			file: "database: {max_conns: 1}",
			want: violation("database.max_conns", "1", "from 2"),
		},
		"a database URL with another scheme": {
			file: "database: {url: 'mysql://u:hunter2@h/d'}",
			want: violation("database.url", "not shown", "postgres://"),
		},
		"an address without a port": {
			file: "api: {listen: localhost}",
			want: violation("api.listen", `"localhost"`, "host:port"),
		},
		"a port above 65535": {
			file: "api: {metrics_listen: ':65536'}",
			want: violation("api.metrics_listen", `":65536"`, "host:port"),
		},
		"a Temporal address without a host": {
			file: "temporal: {address: ':7233'}",
			want: violation("temporal.address", `":7233"`, "host:port"),
		},
		"an empty namespace": {
			file: "temporal: {namespace: ''}",
			want: violation("temporal.namespace", "nothing", "a string"),
		},
		"a missing encryption key": {
			file: "temporal: {encryption_key_files: [/no/such.key]}",
			want: violation("temporal.encryption_key_files[0]", "/no/such.key", "can be read"),
		},
		"an encryption key without a file": {
			file: "temporal: {encryption_key: '2026-11'}",
			want: violation("temporal.encryption_key", `"2026-11"`, "temporal.encryption_key_files"),
		},
		"two encryption keys of one name": {
			file: "temporal: {encryption_key_files: [/a/1.key, /b/1.pem]}",
			want: violation("temporal.encryption_key_files[1]", `key "1"`, "another name"),
		},
		"a URL without a scheme": {
			file: "event: {url: 'event:8080'}",
			want: violation("event.url", "not shown", "http or https"),
		},
		"a URL with the path of the API": {
			file: "conference: {url: 'http://c/api/v1/'}",
			want: violation("conference.url", "/api/v1", "without /api/v1"),
		},
		"a URL with a password": {file: "event: {url: 'http://u:hunter2@c'}", want: violation("event.url", "user", "plain")},
		"a missing key file": {
			file: "account: {private_key_file: /no/such.pem}",
			want: violation("account.private_key_file", "/no/such.pem", "can be read"),
		},
		"an unknown janus.reservation": {
			file: "janus: {reservation: both}",
			want: violation("janus.reservation", `"both"`, "gateway or conference"),
		},
		"a negative capacity": {
			file: "janus: {backends: [{capacity: -1}]}",
			want: violation("janus.backends[0].capacity", "-1", "0 or more"),
		},
		"a backend without a name": {
			file: "janus: {backends: [{}]}",
			want: violation("janus.backends[0].id", "nothing", "a name"),
		},
		"a duplicate backend": {
			file: "janus: {backends: [{id: j}, {id: j}]}",
			want: violation("janus.backends[1].id", "a second time", "a unique name"),
		},
		"a backend without a URL": {
			file: "janus: {backends: [{id: j}]}",
			want: violation("janus.backends[0].admin_url", "nothing", "URL"),
		},
		"a request timeout below the step wait": {
			file: "saga: {request_timeout: 5s}",
			want: violation("saga.request_timeout", "5s", "at least saga.step_wait, 10s"),
		},
		"a step wait that exceeds the time of a step": {
			file: "saga: {step_wait: 13001ms}",
			want: violation("saga.step_wait", "13.001s", "up to 13s"),
		},
		"a negative retry budget": {
			file: "saga: {retry_budget: -1s}",
			want: violation("saga.retry_budget", "-1s", "above 0"),
		},
		"saga.grace of 0": {file: "saga: {grace: 0s}", want: violation("saga.grace", "0s", "above 0")},
		"a history below its minimum": {
			file: "retention: {history: 335h59m}",
			want: violation("retention.history", "335h59m0s", "at least 336h0m0s"),
		},
		"a negative history": {file: "retention: {history: -1s}", want: violation("retention.history", "-1s", "or 0s")},
		"a broker without a port": {
			file: "mqtt: {broker: 'mqtt://b'}",
			want: violation("mqtt.broker", "not shown", "mqtt://host:port"),
		},
		"a broker with another scheme": {
			file: "mqtt: {broker: 'http://b:80'}",
			want: violation("mqtt.broker", "not shown", "mqtts://host:port"),
		},
		"a broker with a password": {
			file: "mqtt: {broker: 'mqtt://u:hunter2@b:1883'}",
			want: violation("mqtt.broker", "not shown", "mqtts://host:port"),
		},
		"an unknown protocol": {
			file: "mqtt: {protocol: '3.1'}", want: violation("mqtt.protocol", `"3.1"`, "3.1.1 or 5"),
		},
		"a host name as client id": {
			file: "mqtt: {client_id: worker-1}",
			want: violation("mqtt.client_id", `"worker-1"`, "worker-1.minigroups.svc.example.org"),
		},
		"a client id of another account": {
			file: "mqtt: {client_id: worker-1.other.svc.example.org}",
			want: violation("mqtt.client_id", "worker-1.other", "worker-1.minigroups.svc.example.org"),
		},
		"a client id with dots in its label": {
			file: "mqtt: {client_id: worker.1.minigroups.svc.example.org}",
			want: violation("mqtt.client_id", "worker.1", "without dots"),
		},
		"a client id without a label": {
			file: "mqtt: {client_id: .minigroups.svc.example.org}",
			want: violation("mqtt.client_id", ".minigroups", "without dots"),
		},
		"a client id with a wildcard": {
			file: "mqtt: {client_id: +.minigroups.svc.example.org}",
			want: violation("mqtt.client_id", "+.minigroups", "without dots"),
		},
		"an account label with a dot": {
			file: "account: {label: mini.groups}", want: violation("account.label", `"mini.groups"`, "without ."),
		},
		"a group with a slash": {file: "mqtt: {group: a/b}", want: violation("mqtt.group", `"a/b"`, "without /")},
		"an account that is a wildcard": {
			file: "mqtt: {event_account: +}",
			want: violation("mqtt.event_account", `"+"`, "without /"),
		},
		"an empty audience": {file: "mqtt: {audiences: [a.b, '']}", want: violation("mqtt.audiences[1]", `""`, "a string")},
		"the same account for event and conference": {
			file: "mqtt: {event_account: a.b, conference_account: a.b}",
			want: violation("mqtt.conference_account", `"a.b"`, "an account other than"),
		},
		"mqtt.session below its minimum": {
			file: "mqtt: {session: 10ms}",
			want: violation("mqtt.session", "10ms", "1s or more"),
		},
		"mqtt.lost_room_timeout of 0": {
			file: "mqtt: {lost_room_timeout: 0s}",
			want: violation("mqtt.lost_room_timeout", "0s", "above 0"),
		},
		"a missing CA file": {
			file: "mqtt: {ca_file: /no/such.pem}",
			want: violation("mqtt.ca_file", "/no/such.pem", "can be read"),
		},
		"an unknown log level": {file: "log: {level: loud}", want: violation("log.level", `"loud"`, "debug or info")},
		"a port of 0":          {file: "dev: {janus_port: 0}", want: violation("dev.janus_port", "0", "1 to 65535")},
	})
}

func TestHistoryOfZeroIsUnlimited(t *testing.T) {
	cfg, err := config.Load(write(t, "config.yaml", "retention: {history: 0s}"), nil)
	if err != nil || cfg.Retention.History != 0 {
		t.Errorf("got %s, %v", cfg.Retention.History, err)
	}
}

func TestRequired(t *testing.T) {
	missing := func(err error) (keys []string) {
		var violations config.Violations
		errors.As(err, &violations)
		for _, v := range violations {
			keys = append(keys, v.Key)
		}
		return keys
	}
	t.Run("all required keys of a worker are reported", func(t *testing.T) {
		_, err := config.Load("", nil, config.ForWorker...)
		want := []string{
			"account.private_key_file", "conference.url", "database.url", "event.url",
			"janus.admin_key", "janus.admin_secret", "janus.room_key",
		}
		if got := missing(err); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("secrets of Janus are not required when conference reserves slots", func(t *testing.T) {
		_, err := config.Load("", []string{"MINIGROUPS_JANUS__RESERVATION=conference"}, "janus.admin_key", "database.url")
		if got := missing(err); !reflect.DeepEqual(got, []string{"database.url"}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a program with all required keys has no violations", func(t *testing.T) {
		key := write(t, "key.pem", "")
		environ := []string{
			"DATABASE_URL=postgres://h/d", "MINIGROUPS_ACCOUNT__PRIVATE_KEY_FILE=" + key,
			"MINIGROUPS_EVENT__URL=http://e", "MINIGROUPS_CONFERENCE__URL=https://c/x",
			"MINIGROUPS_JANUS__ADMIN_KEY=a", "MINIGROUPS_JANUS__ADMIN_SECRET=b", "MINIGROUPS_JANUS__ROOM_KEY=c",
			"MINIGROUPS_AUTHORIZATION={example.org: {kind: none}}",
			"MINIGROUPS_AUTHENTICATION={iam.example.org: " +
				"{audiences: [example.org], algorithm: ES256, public_key_file: " + key + "}}",
		}
		for _, required := range [][]string{config.ForAPI, config.ForWorker, config.ForMigrate, config.ForOps} {
			if _, err := config.Load("", environ, required...); err != nil {
				t.Error(err)
			}
		}
	})
}
