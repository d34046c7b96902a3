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
	// fileVariable names the file when no path is given; it is no key.
	fileVariable = prefix + "CONFIG"
	// delimiter stands between the levels of a key inside koanf. Issuers and
	// audiences are keys and hold dots and slashes, never a NUL.
	delimiter = "\x00"
)

// wellKnown are the variables that have a name of their own.
var wellKnown = map[string]string{
	"DATABASE_URL":       "database" + delimiter + "url",
	"TEMPORAL_ADDRESS":   "temporal" + delimiter + "address",
	"TEMPORAL_NAMESPACE": "temporal" + delimiter + "namespace",
}

// Variable returns the name of the environment variable that sets key.
func Variable(key string) string {
	return prefix + strings.ToUpper(strings.ReplaceAll(key, ".", "__"))
}

// Load returns the defaults, overruled by the YAML file at path, overruled by
// environ (in the form of os.Environ). With an empty path the file is the one
// that MINIGROUPS_CONFIG names, if any.
//
// The error is Mistakes: everything that is wrong at once, unknown keys and
// missing required ones (see Check) included. Only a file that cannot be read
// or is no YAML is reported alone.
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
	cfg.given = given(k.Raw())
	mistakes := decode(k.Raw(), &cfg)
	if len(mistakes) == 0 {
		mistakes = cfg.mistakes(required)
	} else {
		// What could not be read keeps its default: whatever else is wrong is
		// still worth telling, what is missing may only look so.
		mistakes = append(mistakes, cfg.mistakes(nil)...)
	}
	for i := range mistakes {
		if name, ok := names[mistakes[i].Key]; ok {
			mistakes[i].Key += " (" + name + ")"
		}
	}
	return cfg, mistakes.err()
}

// variables provides the variables of environ for which key gives a key, and
// notes in names which variable set which.
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

// given lists the keys that are set in tree, and those of the levels above.
func given(tree map[string]any) map[string]bool {
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

// decode writes tree into cfg and returns what did not fit.
func decode(tree map[string]any, cfg *Config) Mistakes {
	var mistakes Mistakes
	mistakes.addDecoding(decodeWith(tree, cfg, nil, convert))

	// The decoder forgets the unknown keys of a section in which something else
	// is wrong, so they are looked for with everything else forgiven.
	var metadata mapstructure.Metadata
	mistakes.addDecoding(decodeWith(tree, &Config{}, &metadata, func(from, to reflect.Value) (any, error) {
		if value, err := convert(from, to); err == nil {
			return value, nil
		}
		return reflect.Zero(to.Type()).Interface(), nil
	}))
	for _, key := range metadata.Unused {
		mistakes.add(key, "a key that nothing reads", "one of the documented keys")
	}
	return mistakes
}

func decodeWith(tree any, cfg *Config, metadata *mapstructure.Metadata, hook func(from, to reflect.Value) (any, error)) error {
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

// addDecoding adds the single errors that the decoder joined into err.
func (m *Mistakes) addDecoding(err error) {
	if err == nil {
		return
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, single := range joined.Unwrap() {
			m.addDecoding(single)
		}
		return
	}
	var at *mapstructure.DecodeError
	if !errors.As(err, &at) {
		m.add("configuration", err.Error(), "something else")
		return
	}
	var unfit *unfitError
	if errors.As(err, &unfit) {
		m.add(at.Name(), unfit.found, unfit.expected)
		return
	}
	m.add(at.Name(), "a value that does not fit: "+at.Unwrap().Error(), "another kind of value")
}
