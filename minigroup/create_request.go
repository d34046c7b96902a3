package minigroup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// classNamespace is the namespace of class ids (UUID v5). Changing it would give every minigroup a new id.
var classNamespace = uuid.MustParse("5f0c3f0e-9a0b-5d55-8f0c-0d6f3c1b7a42")

// NewClassID returns the id that a new minigroup of this audience and scope gets: the UUID v5 of both, each preceded by
// its length in bytes (big-endian, 4 bytes) so that different pairs give different bytes. So concurrent creates of a
// scope agree on its id. It is no look-up: a minigroup that was imported has kept the id that it had before, and is
// found by its Key.
func NewClassID(audience, scope string) uuid.UUID {
	var name []byte
	for _, part := range []string{audience, scope} {
		name = binary.BigEndian.AppendUint32(name, uint32(len(part))) //nolint:gosec // both have at most 255 characters
		name = append(name, part...)
	}
	return uuid.NewSHA1(classNamespace, name)
}

// CreateRequest is a draft with its class id and its fingerprint. It is made once, by NewCreateRequest or RetryRequest,
// and passed on unchanged.
type CreateRequest struct {
	Draft
	// ID is that of a new minigroup, until For has replaced it by that of the row of the scope.
	ID uuid.UUID
	// Fingerprint is equal for drafts that request the same. A retry has the fingerprint of the original request.
	Fingerprint string
	// Retry says that the draft was read from the row of a failed minigroup, which is created again.
	Retry bool
	// RequestedBy is not part of what is requested: an equal request of another account joins the first one.
	RequestedBy Requester
}

// NewCreateRequest makes the request for a draft that a caller has sent.
func NewCreateRequest(d Draft) CreateRequest {
	return CreateRequest{Draft: d, ID: NewClassID(d.Audience, d.Scope), Fingerprint: d.fingerprint()}
}

// For returns the request with the id of the minigroup that holds its scope.
func (r CreateRequest) For(m Minigroup) CreateRequest {
	r.ID = m.ID
	return r
}

// RetryRequest makes the request that creates a failed minigroup again. It has the fingerprint of the original request,
// although properties may have been set since, so that an equal POST still joins it.
func (m Minigroup) RetryRequest() CreateRequest {
	return CreateRequest{Draft: m.Draft, ID: m.ID, Fingerprint: m.Fingerprint, Retry: true}
}

// fingerprint is stored, so it must not change. No reserve and a reserve of 0 are the same request, and so are no
// properties and an empty object.
func (d Draft) fingerprint() string {
	properties := compact(d.Properties)
	if properties == "{}" {
		properties = ""
	}
	return fingerprint(struct {
		Audience, Scope, Host string
		Start, End            *int64
		Tags                  string
		Slots                 int32
		LockedChat            bool
		LockedQuestions       bool
		Properties            string
	}{
		Audience: d.Audience, Scope: d.Scope, Host: d.Host, Start: d.Time.Start, End: d.Time.End, Tags: compact(d.Tags),
		Slots: d.Slots(), LockedChat: d.LockedChat, LockedQuestions: d.LockedQuestions, Properties: properties,
	})
}

// compact removes the spaces of a JSON document. A text that is not JSON, which the API never passes on, is returned
// unchanged.
func compact(document json.RawMessage) string {
	var out bytes.Buffer
	if json.Compact(&out, document) != nil {
		return string(document)
	}
	return out.String()
}

func fingerprint(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("fingerprint of %T: %v", v, err)) // fingerprinted types hold only strings, numbers and booleans
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
