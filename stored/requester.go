package stored

import "minigroups/minigroup"

// Requester is the form of a minigroup.Requester.
type Requester struct {
	Account   *Account `json:"account,omitempty"`
	Operator  string   `json:"operator,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	RequestID string   `json:"request_id,omitempty"`
	TraceID   string   `json:"trace_id,omitempty"`
}

// Account is the form of a minigroup.Account.
type Account struct {
	Label    string `json:"label"`
	Audience string `json:"audience"`
}

// NewRequester converts a requester to its form; the service itself becomes nil.
func NewRequester(r minigroup.Requester) *Requester {
	if r == (minigroup.Requester{}) {
		return nil
	}
	out := &Requester{Operator: r.Operator, Reason: r.Reason, RequestID: r.RequestID, TraceID: r.TraceID}
	if r.Account != (minigroup.Account{}) {
		out.Account = new(Account(r.Account))
	}
	return out
}

// Requester converts the form back; nil is the service itself.
func (r *Requester) Requester() minigroup.Requester {
	if r == nil {
		return minigroup.Requester{}
	}
	out := minigroup.Requester{Operator: r.Operator, Reason: r.Reason, RequestID: r.RequestID, TraceID: r.TraceID}
	if r.Account != nil {
		out.Account = minigroup.Account(*r.Account)
	}
	return out
}
