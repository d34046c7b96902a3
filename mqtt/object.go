package mqtt

import (
	"bytes"
	"encoding/json"
	"io"
)

// readObject decodes members of a JSON object into the pointers in targets, by key. Unlike json.Unmarshal it compares
// keys by case, rejects duplicates of the keys in targets, and does not copy other values: tags may be long.
func readObject(object []byte, targets map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errMalformed
	}
	seen := make(map[string]bool, len(targets))
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // the decoder allows only strings here
		target, ok := targets[name]
		switch {
		case !ok:
			target = &skipped{}
		case seen[name]:
			return errMalformed
		default:
			seen[name] = true
		}
		if err := d.Decode(target); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errMalformed
	}
	return nil
}

// skipped accepts any JSON value and ignores it.
type skipped struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (*skipped) UnmarshalJSON([]byte) error { return nil }
