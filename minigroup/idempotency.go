package minigroup

// RequestKey is what an account calls one of its requests: sent again by the same name, it is not to be worked on again.
type RequestKey struct {
	// ID stands for the account and the name.
	ID string
	// Fingerprint tells what was asked for by it.
	Fingerprint string
}

// NewRequestKey makes the key of a request to a route whose body has this fingerprint.
func NewRequestKey(label, audience, name, route, body string) RequestKey {
	return RequestKey{ID: fingerprint([]string{label, audience, name}), Fingerprint: fingerprint([]string{route, body})}
}

// Answer is a final answer to a request, as it was given.
type Answer struct {
	Status int
	// Location and ETag are empty where it had none.
	Location string
	ETag     string
	Body     []byte
}
