package codec

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Key is a key with its id, which payloads name. It is formatted as its id alone.
type Key struct {
	id     string
	secret [32]byte
}

// ErrNoKey is returned for a file that holds something other than a key.
var ErrNoKey = errors.New("the file does not hold 32 bytes in base64, as openssl rand -base64 32 prints them")

// ReadKey reads the key with an id from a file. Its errors do not show the content of the file.
func ReadKey(id, file string) (Key, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Key{}, err
	}
	key := Key{id: id}
	secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || copy(key.secret[:], secret) != len(key.secret) || len(secret) != len(key.secret) {
		return Key{}, ErrNoKey
	}
	return key, nil
}

// Format writes the id of the key for every verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "key "+k.id) }
