package settings

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pb33f/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"minigroups/config"
)

const file = "../../docs/configuration.schema.json"

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate validates YAML as editors do.
func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var parsed any
	if err := yaml.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	plain, err := json.Marshal(parsed)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(plain)))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestTheSettingsInDeployAreValid(t *testing.T) {
	schema, found := compile(t), 0
	err := filepath.WalkDir("../../deploy", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "minigroups.yaml" {
			return err
		}
		found++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := validate(t, schema, string(text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d files, %v", found, err)
	}
}

// TestSavedSettingsAreValid validates a file such as make run writes, which has all settings.
func TestSavedSettingsAreValid(t *testing.T) {
	cfg := config.Default()
	cfg.Authentication = map[string]config.Issuer{
		"iam.example.org": {Audiences: []string{"example.org"}, Algorithm: "ES256", PublicKeyFile: "issuer.pem"},
	}
	cfg.Authorization = map[string]config.Audience{
		"a.example.org": {Kind: "none"},
		"b.example.org": {Kind: "localwhitelist", Records: []config.Record{
			{SubjectAccountID: "dev.example.org", Object: []string{"classrooms"}, Action: "create"},
		}},
	}
	capacity := int32(500)
	cfg.Janus.Backends = []config.Backend{
		{ID: "janus-1", AdminURL: "http://janus:7088/admin", JanusURL: "http://janus:8088/janus", Capacity: &capacity},
	}
	cfg.Tracing.Headers = map[string]config.Secret{"x-token": "secret"}
	saved := filepath.Join(t.TempDir(), "minigroups.yaml")
	if err := config.Save(saved, cfg); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(saved)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, compile(t), string(text)); err != nil {
		t.Error(err)
	}
}

// TestSchemaAndProgramsAgree validates each text and loads it as the programs do.
func TestSchemaAndProgramsAgree(t *testing.T) {
	schema := compile(t)
	for name, text := range map[string]string{
		"an empty file":           "{}",
		"empty sections":          "{api: null, janus: {backends: null}, authorization: null}",
		"a duration of two units": "api: {wait: 10s500ms}",
		"a fraction":              "{saga: {retry_budget: 1.5h}, tracing: {sample_ratio: 0.25}}",
		"bounds":                  "{database: {max_conns: 2}, event: {max_in_flight: 100000}, tracing: {sample_ratio: 1}}",
		"an enumeration":          "{mqtt: {protocol: '5'}, janus: {reservation: conference}}",
		"no capacity": "janus: {backends: [{id: j, admin_url: 'http://j/admin', janus_url: 'http://j/janus', " +
			"capacity: null}]}",
		"any name of an audience": "authorization: {'https://b.Example.org/x': {kind: none}}",
	} {
		t.Run(name, func(t *testing.T) {
			if err := validate(t, schema, text); err != nil {
				t.Error(err)
			}
			if err := load(t, text); err != nil {
				t.Error(err)
			}
		})
	}
	for name, c := range map[string]struct{ text, at string }{
		"a typo":                          {"api: {lissen: 127.0.0.1:8080}", "/api"},
		"a typo in the name of a section": {"apis: {}", ""},
		"a typo in an entry":              {"authorization: {a.b: {kind: none, who: x}}", "/authorization/a.b"},
		"a string for a number":           {"database: {max_conns: many}", "/database/max_conns"},
		"a fraction for a number":         {"database: {max_conns: 1.5}", "/database/max_conns"},
		"a string for a list":             {"api: {turn_hosts: turn.example.org}", "/api/turn_hosts"},
		"a string for a section":          {"saga: none", "/saga"},
		"a string for a boolean":          {"api: {worker: sometimes}", "/api/worker"},
		"a number for a string":           {"temporal: {task_queue: 5}", "/temporal/task_queue"},
		"a duration without a unit":       {"api: {wait: 15}", "/api/wait"},
		"a duration of another unit":      {"api: {wait: 15d}", "/api/wait"},
		"a negative duration":             {"api: {wait: -1s}", "/api/wait"},
		"another value":                   {"log: {level: loud}", "/log/level"},
		"a number below its bound":        {"database: {max_conns: 1}", "/database/max_conns"},
		"a number above its bound":        {"saga: {max_in_flight: 1001}", "/saga/max_in_flight"},
		"an incomplete gateway":           {"janus: {backends: [{id: j}]}", "/janus/backends/0"},
		"an incomplete policy":            {"authorization: {a.b: {}}", "/authorization/a.b"},
		"an incomplete issuer":            {"authentication: {a.b: {}}", "/authentication/a.b"},
		"an incomplete record": {
			"authorization: {a.b: {kind: localwhitelist, records: [{action: read}]}}", "/authorization/a.b/records/0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := validate(t, schema, c.text)
			if err == nil || !strings.Contains(err.Error(), "at '"+c.at+"'") {
				t.Errorf("got %v, want an error at %s", err, c.at)
			}
			if load(t, c.text) == nil {
				t.Error("the programs accept it")
			}
		})
	}
}

func load(t *testing.T, text string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "minigroups.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path, nil)
	return err
}
