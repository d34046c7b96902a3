// Package codec encrypts what this service stores in Temporal: inputs and results of workflows and steps, memos,
// summaries, failures, and what Temporal's UI shows of a run. Temporal then holds no personal data. Workflow ids,
// types, search attributes and headers stay in plain text, because Temporal searches and routes by them.
package codec

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"
)

const (
	// encoding marks payloads that this package has encrypted. Temporal's UI knows it and shows it as such.
	encoding = "binary/encrypted"
	// keyID is the key of the payload's metadata with the id of its key.
	keyID = "encryption-key-id"
	// saltSize is the size of what a payload's own key derives from. A random nonce alone repeats too soon: one key would
	// be used up after 2³² payloads, which is a month of a busy service.
	saltSize = 16
)

// Codec encrypts payloads with AES-256-GCM. It is a converter.PayloadCodec and safe for concurrent use.
type Codec struct {
	keys    map[string]Key
	current *Key
}

// New returns a Codec that decrypts with all keys and encrypts with the one whose id is current. If current is empty,
// it encrypts nothing.
func New(keys []Key, current string) (*Codec, error) {
	c := &Codec{keys: map[string]Key{}}
	for _, key := range keys {
		c.keys[key.id] = key
	}
	if current != "" {
		key, ok := c.keys[current]
		if !ok {
			return nil, fmt.Errorf("there is no key %q to encrypt with", current)
		}
		c.current = &key
	}
	return c, nil
}

// Error says why a payload cannot be decrypted.
type Error struct {
	// KeyID is the id of the key that the payload was encrypted with.
	KeyID string
	// Missing says that the Codec does not have that key.
	Missing bool
}

func (e *Error) Error() string {
	if e.Missing {
		return fmt.Sprintf("the payload is encrypted with the key %q, which this program does not have: "+
			"add its file to temporal.encryption_key_files", e.KeyID)
	}
	return fmt.Sprintf("the payload cannot be decrypted with the key %q: it was changed, "+
		"or the key was replaced by another one of the same id", e.KeyID)
}

// Encode encrypts payloads, if the Codec has a key to encrypt with.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if c.current == nil {
		return payloads, nil
	}
	encrypted := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		var err error
		if encrypted[i], err = c.current.encrypt(payload); err != nil {
			return payloads, fmt.Errorf("encrypt a payload: %w", err)
		}
	}
	return encrypted, nil
}

// Decode decrypts payloads. Those that are not encrypted stay as they are. The error is an *Error.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	decrypted := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		if string(payload.GetMetadata()[converter.MetadataEncoding]) != encoding {
			decrypted[i] = payload
			continue
		}
		id := string(payload.GetMetadata()[keyID])
		key, ok := c.keys[id]
		if !ok {
			return payloads, &Error{KeyID: id, Missing: true}
		}
		if decrypted[i], ok = key.decrypt(payload.GetData()); !ok {
			return payloads, &Error{KeyID: id}
		}
	}
	return decrypted, nil
}

// encrypt returns a payload whose data is a salt, followed by the nonce and the sealed payload.
func (k Key) encrypt(payload *commonpb.Payload) (*commonpb.Payload, error) {
	plain, err := proto.Marshal(payload)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, saltSize, saltSize+len(plain)+overhead)
	_, _ = rand.Read(salt) // it never fails
	aead, err := k.derive(salt)
	if err != nil {
		return nil, err
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), keyID: []byte(k.id)},
		Data:     aead.Seal(salt, nil, plain, []byte(k.id)), //nolint:gosec // it chooses a random nonce
	}, nil
}

// overhead is the size of nonce and tag.
const overhead = 28

func (k Key) decrypt(data []byte) (*commonpb.Payload, bool) {
	if len(data) < saltSize {
		return nil, false
	}
	aead, err := k.derive(data[:saltSize])
	if err != nil {
		return nil, false
	}
	plain, err := aead.Open(nil, nil, data[saltSize:], []byte(k.id))
	if err != nil {
		return nil, false
	}
	payload := &commonpb.Payload{}
	return payload, proto.Unmarshal(plain, payload) == nil
}

// derive returns the cipher of one payload, which chooses a random nonce.
func (k Key) derive(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.secret[:], salt, "minigroups payload", len(k.secret))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
