package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// Save writes c to a new YAML file at path that Load reads back as it was.
// It holds the secrets, so it is readable by its owner only; a file that is
// there already is replaced as a whole.
func Save(path string, c Config) error {
	text, err := yaml.Marshal(tree(reflect.ValueOf(c), true))
	if err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.Rename(draft, path); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

// String returns c as YAML, secrets hidden.
func (c Config) String() string {
	text, err := yaml.Marshal(tree(reflect.ValueOf(c), false))
	if err != nil {
		return "configuration: " + err.Error()
	}
	return string(text)
}

// GoString returns what String returns.
func (c Config) GoString() string { return c.String() }

// MarshalJSON returns c as JSON, keys as in the file, secrets hidden.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(tree(reflect.ValueOf(c), false))
}

// tree turns a value into maps by key, lists and scalars. A slot that is null
// stays, so that a saved file shows that it can be set.
func tree(v reflect.Value, reveal bool) any {
	switch value := v.Interface().(type) {
	case time.Duration:
		return value.String()
	case Secret:
		if reveal {
			return value.Reveal()
		}
		return value.String()
	case DatabaseURL:
		if reveal {
			return value.Reveal()
		}
		return value.String()
	}
	switch v.Kind() {
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				fields[field.Tag.Get("koanf")] = tree(v.Field(i), reveal)
			}
		}
		return fields
	case reflect.Map:
		entries := map[string]any{}
		for _, key := range v.MapKeys() {
			entries[key.String()] = tree(v.MapIndex(key), reveal)
		}
		return entries
	case reflect.Slice:
		items := make([]any, v.Len())
		for i := range items {
			items[i] = tree(v.Index(i), reveal)
		}
		return items
	default:
		return v.Interface()
	}
}
