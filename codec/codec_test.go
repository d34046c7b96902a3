package codec

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	"google.golang.org/protobuf/proto"
)

// newKey returns a key whose secret consists of one byte.
func newKey(t *testing.T, id string, secret byte) Key {
	t.Helper()
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{secret}, 32))
	key, err := ReadKey(id, write(t, text+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func newCodec(t *testing.T, current string, keys ...Key) *Codec {
	t.Helper()
	c, err := New(keys, current)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type input struct{ Host, Scope string }

var teacher = input{Host: "teacher.example.org", Scope: "math-7b"}

func encode(t *testing.T, c *Codec) *commonpb.Payload {
	t.Helper()
	payload, err := c.DataConverter().ToPayload(teacher)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func decode(c *Codec, payload *commonpb.Payload) (got input, err error) {
	return got, c.DataConverter().FromPayload(payload, &got)
}

func expect(t *testing.T, c *Codec, payload *commonpb.Payload) {
	t.Helper()
	if got, err := decode(c, payload); err != nil || got != teacher {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEncryptedPayloadsShowNothing(t *testing.T) {
	c := newCodec(t, "1", newKey(t, "1", 1))
	payload := encode(t, c)
	raw, err := proto.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{teacher.Host, teacher.Scope, "Host", "json"} {
		if bytes.Contains(raw, []byte(text)) {
			t.Errorf("%q is in %q", text, raw)
		}
	}
	if string(payload.GetMetadata()["encryption-key-id"]) != "1" {
		t.Errorf("the payload does not name its key: %v", payload)
	}
	if again := encode(t, c); bytes.Equal(again.GetData(), payload.GetData()) {
		t.Error("two equal payloads can be recognised")
	}
	expect(t, c, payload)
}

func TestKeysRotate(t *testing.T) {
	first, second := newKey(t, "1", 1), newKey(t, "2", 2)
	plain := encode(t, newCodec(t, ""))
	if !strings.Contains(string(plain.GetData()), teacher.Host) {
		t.Errorf("without a key to encrypt with, the payload is %v", plain)
	}
	old := encode(t, newCodec(t, "1", first))
	both := newCodec(t, "2", first, second)
	for _, payload := range []*commonpb.Payload{plain, old, encode(t, both)} {
		expect(t, both, payload)
		expect(t, newCodec(t, "", second, first), payload)
	}
	if _, err := New([]Key{first}, "2"); err == nil {
		t.Error("a key to encrypt with that there is not")
	}
}

func TestAMissingKeyIsNamed(t *testing.T) {
	payload := encode(t, newCodec(t, "2026-11", newKey(t, "2026-11", 1)))
	for _, c := range []*Codec{newCodec(t, ""), newCodec(t, "1", newKey(t, "1", 1))} {
		_, err := decode(c, payload)
		var missing *Error
		if !errors.As(err, &missing) || !missing.Missing || missing.KeyID != "2026-11" ||
			!strings.Contains(err.Error(), `"2026-11"`) ||
			!strings.Contains(err.Error(), "temporal.encryption_key_files") {
			t.Errorf("got %v", err)
		}
	}
}

func TestAChangedPayloadIsRefused(t *testing.T) {
	first, second := newKey(t, "1", 1), newKey(t, "2", 1) // of the same secret
	c := newCodec(t, "1", first, second)
	payload := encode(t, c)
	refused := func(what string, change func(*commonpb.Payload)) {
		t.Helper()
		changed := proto.Clone(payload).(*commonpb.Payload)
		change(changed)
		_, err := decode(c, changed)
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Missing {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for i := range payload.GetData() {
		refused(fmt.Sprintf("byte %d is another", i), func(p *commonpb.Payload) { p.Data[i] ^= 1 })
		refused(fmt.Sprintf("only %d bytes", i), func(p *commonpb.Payload) { p.Data = p.Data[:i] })
	}
	refused("another key", func(p *commonpb.Payload) { p.Metadata[keyID] = []byte("2") })
	other := newCodec(t, "1", newKey(t, "1", 3))
	if _, err := decode(other, payload); err == nil || !strings.Contains(err.Error(), "another one of the same id") {
		t.Errorf("got %v", err)
	}
}

func TestTheParametersAreNotChanged(t *testing.T) {
	c := newCodec(t, "1", newKey(t, "1", 1))
	plain := []*commonpb.Payload{encode(t, newCodec(t, ""))}
	before := proto.Clone(plain[0])
	encrypted, err := c.Encode(plain)
	if err != nil || !proto.Equal(plain[0], before) || encrypted[0] == plain[0] {
		t.Errorf("%v, %v", plain[0], err)
	}
	before = proto.Clone(encrypted[0])
	if _, err := c.Decode(slices.Clone(encrypted)); err != nil || !proto.Equal(encrypted[0], before) {
		t.Errorf("%v, %v", encrypted[0], err)
	}
}

func TestKeyFiles(t *testing.T) {
	secret := strings.Repeat("s", 32)
	text := base64.StdEncoding.EncodeToString([]byte(secret))
	key, err := ReadKey("1", write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if shown := fmt.Sprintf(verb, key); shown != "key 1" {
			t.Errorf("%s shows %s", verb, shown)
		}
	}
	for name, content := range map[string]string{
		"nothing":          "",
		"text":             "hunter2-hunter2-hunter2-hunter2!",
		"a short key":      base64.StdEncoding.EncodeToString([]byte(secret[:31])),
		"a long key":       base64.StdEncoding.EncodeToString([]byte(secret + "s")),
		"two keys":         text + "\n" + text,
		"hexadecimal text": strings.Repeat("0123456789abcdef", 4),
	} {
		if _, err := ReadKey("1", write(t, content)); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := ReadKey("1", "/no/such.key"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkEncode measures what encryption adds to a payload of a kilobyte.
func BenchmarkEncode(b *testing.B) {
	c, err := New([]Key{{id: "1"}}, "1")
	if err != nil {
		b.Fatal(err)
	}
	payloads := []*commonpb.Payload{{Data: make([]byte, 1024)}}
	for b.Loop() {
		encrypted, err := c.Encode(payloads)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Decode(encrypted); err != nil {
			b.Fatal(err)
		}
	}
}
