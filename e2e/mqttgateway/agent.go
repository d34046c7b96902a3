package mqttgateway

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
)

// agent is the client of a connection.
type agent struct {
	id                            string
	label, accountLabel, audience string
	version                       byte
}

func (a agent) account() string { return a.accountLabel + "." + a.audience }

// describe adds the properties that the gateway sets in each message.
func (a agent) describe(properties map[string]string) {
	if properties["type"] == "" {
		properties["type"] = "event"
	}
	properties["agent_label"], properties["account_label"] = a.label, a.accountLabel
	properties["audience"] = a.audience
	properties["connection_version"], properties["connection_mode"] = "v2", "service"
}

// refusal is the reason for which a connection is refused.
type refusal struct {
	reason string
	codes  [2]byte // in MQTT 3.1.1 and in 5
}

func (r *refusal) Error() string { return r.reason }

var (
	errClientID = &refusal{"client_identifier_not_valid", [2]byte{2, 0x85}}
	errPassword = &refusal{"bad_username_or_password", [2]byte{4, 0x86}}
	errAccount  = &refusal{"not_authorized", [2]byte{5, 0x87}}
)

// connack returns the answer to a refused CONNECT.
func (r *refusal) connack(version byte) packet {
	if version == version311 {
		return packet{first: connack << 4, body: []byte{0, r.codes[0]}}
	}
	return packet{first: connack << 4, body: []byte{0, r.codes[1], 0}}
}

var errNotConnect = errors.New("the first packet is not a CONNECT of MQTT 3.1.1 or 5")

// authenticate returns the client that sends a CONNECT. Its error is a refusal if the gateway has to answer: then the
// agent has only an id and a version. The signature of the token is not checked.
func authenticate(p packet) (a agent, err error) {
	const fixed = 10 // the name and the version of the protocol, the flags, the keep alive interval
	if p.kind() != connect || len(p.body) < fixed {
		return a, errNotConnect
	}
	if a.version = p.body[6]; a.version != version311 && a.version != version5 {
		return a, errNotConnect
	}
	rest := p.body[fixed:]
	if a.version == version5 {
		size, length := parseLength(rest)
		if size == 0 || len(rest) < size+length {
			return a, errNotConnect
		}
		rest = rest[size+length:]
	}
	flags := p.body[7]
	if flags&0x04 != 0 {
		return a, errors.New("a will is not supported")
	}
	id, rest, err := cut(rest)
	if err != nil {
		return a, err
	}
	var user, password string
	if flags&0x80 != 0 {
		if user, rest, err = cut(rest); err != nil {
			return a, err
		}
	}
	if flags&0x40 != 0 {
		if password, _, err = cut(rest); err != nil {
			return a, err
		}
	}
	a.id = id
	parts := strings.SplitN(id, ".", 3)
	if len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return a, errClientID
	}
	label, audience, ok := readToken(password)
	switch {
	case user != "v2::service" || !ok:
		return a, errPassword
	case label != parts[1] || audience != parts[2]:
		return a, errAccount
	}
	a.label, a.accountLabel, a.audience = parts[0], parts[1], parts[2]
	return a, nil
}

// cut returns the string with which b begins, and what follows it.
func cut(b []byte) (text string, rest []byte, err error) {
	if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
		return "", nil, errNotConnect
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	return string(b[2:end]), b[end:], nil
}

// readToken returns the account that a token names.
func readToken(token string) (label, audience string, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", "", false
	}
	var claims struct{ Sub, Aud string }
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return "", "", false
	}
	return claims.Sub, claims.Aud, true
}
