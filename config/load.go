package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

const (
	prefix = "MINIGROUPS_"
	// fileVariable holds the path of the file if Load is called without one. It is not a setting.
	fileVariable = prefix + "CONFIG"
	// delimiter separates the levels of a key inside koanf. Names of issuers and audiences are keys too and contain dots
	// and slashes, but never a NUL.
	delimiter = "\x00"
)

// wellKnown maps the variables without the prefix to their keys.
var wellKnown = map[string]string{
	"DATABASE_URL":       "database" + delimiter + "url",
	"TEMPORAL_ADDRESS":   "temporal" + delimiter + "address",
	"TEMPORAL_NAMESPACE": "temporal" + delimiter + "namespace",
	// Set by Temporal's Worker Controller.
	"TEMPORAL_DEPLOYMENT_NAME": "worker" + delimiter + "deployment",
	"TEMPORAL_WORKER_BUILD_ID": "worker" + delimiter + "build_id",
}

// Variable returns the name of the environment variable that sets key.
func Variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// Load returns the defaults, overridden by the YAML file at path, overridden by environ (in the form of os.Environ). If
// path is empty, the variable MINIGROUPS_CONFIG names the file; without it there is no file.
//
// The error is Violations, which lists all violations at once, unknown keys and missing required keys (see Check)
// included. A file that cannot be read or is not YAML is another error.
func Load(path string, environ []string, required ...string) (Config, error) {
	k := koanf.New(delimiter)
	if path == "" {
		path = lookup(environ, fileVariable)
	}
	if path != "" {
		if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
			return Config{}, fmt.Errorf("read configuration file %s: %w", path, err)
		}
	}
	names := map[string]string{}
	for _, transform := range []func(string) string{wellKnownKey, prefixedKey} {
		if err := k.Load(variables(environ, transform, names), nil); err != nil {
			return Config{}, fmt.Errorf("read configuration from the environment: %w", err)
		}
	}

	cfg := Default()
	cfg.set = setKeys(k.Raw())
	violations := decode(k.Raw(), &cfg)
	if len(violations) == 0 {
		violations = cfg.violations(required)
	} else {
		// Settings that could not be decoded keep their defaults. Check the others too, but not for required keys, which
		// may be among those that could not be decoded.
		violations = append(violations, cfg.violations(nil)...)
	}
	for i := range violations {
		if name, ok := names[violations[i].Key]; ok {
			violations[i].Key += " (" + name + ")"
		}
	}
	return cfg, violations.err()
}

// variables provides the variables of environ for which key returns a key, and records in names which variable set
// which key.
func variables(environ []string, key func(name string) string, names map[string]string) koanf.Provider {
	return env.Provider(delimiter, env.Opt{
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			k := key(name)
			if k == "" || value == "" {
				return "", nil
			}
			names[strings.ReplaceAll(k, delimiter, ".")] = name
			return k, value
		},
	})
}

func wellKnownKey(name string) string { return wellKnown[name] }

func prefixedKey(name string) string {
	path, ok := strings.CutPrefix(name, prefix)
	if !ok || name == fileVariable {
		return ""
	}
	return strings.ReplaceAll(strings.ToLower(path), "__", delimiter)
}

func lookup(environ []string, name string) string {
	for _, variable := range environ {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// setKeys returns the keys that tree sets, and the keys of the levels above them.
func setKeys(tree map[string]any) map[string]bool {
	keys := map[string]bool{}
	var walk func(path string, tree map[string]any)
	walk = func(path string, tree map[string]any) {
		for name, value := range tree {
			if value == nil {
				continue
			}
			keys[path+name] = true
			if below, ok := value.(map[string]any); ok {
				walk(path+name+".", below)
			}
		}
	}
	walk("", tree)
	return keys
}

// decode decodes tree into cfg and returns the values that could not be decoded and the unknown keys.
func decode(tree map[string]any, cfg *Config) Violations {
	var violations Violations
	violations.addDecoding(decodeWith(tree, cfg, nil, convert))

	// The decoder does not report unknown keys of a section that has another error, so decode a second time with a hook
	// that replaces invalid values.
	var metadata mapstructure.Metadata
	violations.addDecoding(decodeWith(tree, &Config{}, &metadata, func(from, to reflect.Value) (any, error) {
		if value, err := convert(from, to); err == nil {
			return value, nil
		}
		return reflect.Zero(to.Type()).Interface(), nil
	}))
	for _, key := range metadata.Unused {
		violations.add(key, "an unknown key", "one of the documented keys")
	}
	return violations
}

func decodeWith(
	tree any, cfg *Config, metadata *mapstructure.Metadata, hook func(from, to reflect.Value) (any, error),
) error {
	decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     cfg,
		TagName:    "koanf",
		Metadata:   metadata,
		DecodeHook: hook,
		MatchName:  func(key, field string) bool { return key == field },
	})
	if err != nil {
		return err
	}
	return decoder.Decode(tree)
}

// addDecoding adds the individual errors that the decoder joined into err.
func (v *Violations) addDecoding(err error) {
	if err == nil {
		return
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, single := range joined.Unwrap() {
			v.addDecoding(single)
		}
		return
	}
	var decodeErr *mapstructure.DecodeError
	if !errors.As(err, &decodeErr) {
		v.add("configuration", err.Error(), "valid settings")
		return
	}
	var conversion *conversionError
	if errors.As(err, &conversion) {
		v.add(decodeErr.Name(), conversion.found, conversion.expected)
		return
	}
	v.add(decodeErr.Name(), "an invalid value: "+decodeErr.Unwrap().Error(), "a value of another type")
}
