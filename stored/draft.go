package stored

import (
	"encoding/json"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Draft is the form of a minigroup.Draft.
type Draft struct {
	Audience        string          `json:"audience"`
	Scope           string          `json:"scope"`
	Host            string          `json:"host"`
	Start           *int64          `json:"start,omitempty"`
	End             *int64          `json:"end,omitempty"`
	Tags            json.RawMessage `json:"tags,omitempty"`
	Reserve         *int32          `json:"reserve,omitempty"`
	LockedChat      bool            `json:"locked_chat,omitempty"`
	LockedQuestions bool            `json:"locked_questions,omitempty"`
	Properties      json.RawMessage `json:"properties,omitempty"`
}

// NewDraft converts a draft to its form.
func NewDraft(d minigroup.Draft) Draft {
	return Draft{
		Audience: d.Audience, Scope: d.Scope, Host: d.Host, Start: d.Time.Start, End: d.Time.End, Tags: d.Tags,
		Reserve: d.Reserve, LockedChat: d.LockedChat, LockedQuestions: d.LockedQuestions, Properties: d.Properties,
	}
}

// Draft converts the form back.
func (d Draft) Draft() minigroup.Draft {
	return minigroup.Draft{
		Audience: d.Audience, Scope: d.Scope, Host: d.Host, Time: minigroup.Window{Start: d.Start, End: d.End},
		Tags: d.Tags, Reserve: d.Reserve, LockedChat: d.LockedChat, LockedQuestions: d.LockedQuestions,
		Properties: d.Properties,
	}
}

// CreateRequest is the form of a minigroup.CreateRequest.
type CreateRequest struct {
	ClassID     uuid.UUID `json:"class_id"`
	Fingerprint string    `json:"fingerprint"`
	Retry       bool      `json:"retry,omitempty"`
	Draft       Draft     `json:"draft"`
	// RequestedBy is absent if the service requests the create itself.
	RequestedBy *Requester `json:"requested_by,omitempty"`
}

// NewCreateRequest converts a request to its form.
func NewCreateRequest(r minigroup.CreateRequest) CreateRequest {
	return CreateRequest{
		ClassID: r.ID, Fingerprint: r.Fingerprint, Retry: r.Retry, Draft: NewDraft(r.Draft),
		RequestedBy: NewRequester(r.RequestedBy),
	}
}

// Request converts the form back.
func (r CreateRequest) Request() minigroup.CreateRequest {
	return minigroup.CreateRequest{
		Draft: r.Draft.Draft(), ID: r.ClassID, Fingerprint: r.Fingerprint, Retry: r.Retry,
		RequestedBy: r.RequestedBy.Requester(),
	}
}
