package config

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"
)

// Save writes c to a YAML file at path from which Load returns the same settings. The file contains the secrets and is
// readable by its owner only. Save replaces an existing file atomically.
func Save(path string, c Config) error {
	text, err := yaml.Marshal(tree(reflect.ValueOf(c), true))
	if err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("save configuration: %w", err)
	}
	if err := os.WriteFile(temporary, text, 0o600); err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("save configuration: %w", err)
	}
	return nil
}

// String returns c as YAML with secrets redacted.
func (c Config) String() string {
	text, err := yaml.Marshal(tree(reflect.ValueOf(c), false))
	if err != nil {
		return "configuration: " + err.Error()
	}
	return string(text)
}

// GoString returns the same as String.
func (c Config) GoString() string { return c.String() }

// MarshalJSON returns c as JSON with the keys of the file and with secrets redacted.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(tree(reflect.ValueOf(c), false))
}

// tree converts a value to maps, lists and scalars. It keeps null, so that a saved file shows all settings.
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
