package mqtt

import (
	"bytes"
	"encoding/json"
	"io"
)

// readObject reads a JSON object into the pointers in wanted, by key. Unlike json.Unmarshal it takes no key for another
// that differs in case, refuses a wanted key that stands there twice, and copies nothing of what is not wanted: tags are
// long.
func readObject(object []byte, wanted map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return errMalformed
	}
	seen := make(map[string]bool, len(wanted))
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string) // nothing else is a key
		target, is := wanted[name]
		switch {
		case !is:
			target = &unread{}
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

// unread is a value that only has to be JSON.
type unread struct{}

// UnmarshalJSON takes whatever stands there.
func (*unread) UnmarshalJSON([]byte) error { return nil }
