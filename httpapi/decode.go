package httpapi

import (
	"encoding/json"

	"minigroups/minigroup"
)

// decodeDraft decodes the body of a create. now is in unix seconds. Its error lists every invalid field.
func decodeDraft(body []byte, now int64) (minigroup.Draft, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Draft{}, err
	}
	draft := minigroup.Draft{
		Scope:           d.required("scope"),
		Audience:        d.required("audience"),
		Host:            d.required("host"),
		Tags:            d.object("tags"),
		Reserve:         d.reserve(),
		LockedChat:      d.flag("locked_chat"),
		LockedQuestions: d.flag("locked_questions"),
		Properties:      d.properties(),
	}
	if window := d.window("time"); window != nil {
		draft.Time = *window
	}
	return draft, d.finish(draft.Validate(now))
}

// decodeChange decodes the body of an update. Its error lists every invalid field.
func decodeChange(body []byte) (minigroup.Change, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Change{}, err
	}
	change := minigroup.Change{Time: d.window("time"), Reserve: d.reserve(), Host: d.text("host")}
	return change, d.finish(change.Validate())
}

// decodeRecreation decodes the body of a recreate. now is in unix seconds. Its error lists every invalid field.
func decodeRecreation(body []byte, now int64) (minigroup.Change, error) {
	d, err := newDecoder(body)
	if err != nil {
		return minigroup.Change{}, err
	}
	change := minigroup.Change{Time: d.window("time"), Recreate: &minigroup.Recreation{
		LockedChat: d.optionalFlag("locked_chat"), LockedQuestions: d.optionalFlag("locked_questions"),
	}}
	return change, d.finish(change.ValidateRecreation(now))
}

// decodeDocument decodes a body that is any JSON and returns its canonical form, in which it is stored. Its error lists
// every invalid value, after the given errors of other parts of the request.
func decodeDocument(body []byte, errs []minigroup.FieldError) (json.RawMessage, error) {
	d := &decoder{errs: errs}
	var raw, document json.RawMessage
	if !d.addSyntaxError(json.Unmarshal(body, &raw)) {
		document = d.document("body", raw)
	}
	return document, d.finish(nil)
}

// decodeEvent decodes a body that is an event for an event room, any JSON object, and removes its room_id.
func decodeEvent(body []byte) (json.RawMessage, error) {
	document, err := decodeDocument(body, nil)
	if err != nil {
		return nil, err
	}
	var event map[string]json.RawMessage
	if json.Unmarshal(document, &event) != nil || event == nil {
		return nil, minigroup.Invalid([]minigroup.FieldError{{Field: "body", Detail: "must be a JSON object"}})
	}
	delete(event, "room_id")
	return json.Marshal(event)
}
