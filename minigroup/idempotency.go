package minigroup

// RequestKey identifies a request by its Idempotency-Key: once the request has succeeded, an account that sends the key
// again receives the same answer.
type RequestKey struct {
	// ID is a hash of the account and the key.
	ID string
	// Fingerprint is a hash of the route and the body.
	Fingerprint string
}

// NewRequestKey returns the key of a request; name is the value of its Idempotency-Key and body the fingerprint of its
// body.
func NewRequestKey(label, audience, name, route, body string) RequestKey {
	return RequestKey{ID: fingerprint([]string{label, audience, name}), Fingerprint: fingerprint([]string{route, body})}
}

// Answer is the answer to a request that has succeeded, as it was sent.
type Answer struct {
	// Status is 200 or 201.
	Status int
	// Location and ETag are empty if the answer had none.
	Location string
	ETag     string
	Body     []byte
}
