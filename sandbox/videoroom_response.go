package sandbox

// The plugin's error codes.
const (
	codeUnknownRequest = 423
	codeNoSuchRoom     = 426
	codeRoomExists     = 427
	codeMissing        = 429
	codeInvalid        = 430
	codeUnauthorized   = 433
)

func (r *videoRoom) listed() map[string]any {
	return map[string]any{
		"room": r.id, "description": r.description, "pin_required": r.pin != nil, "is_private": r.private,
		"max_publishers": r.publishers, "bitrate": 0, "fir_freq": 0, "require_pvtid": false, "require_e2ee": false,
		"dummy_publisher": false, "notify_joining": false, "audiocodec": "opus", "videocodec": "vp8", "opus_fec": true,
		"record": false, "lock_record": false, "num_participants": 0, "audiolevel_ext": true, "audiolevel_event": false,
		"videoorient_ext": true, "playoutdelay_ext": true, "transport_wide_cc_ext": true,
	}
}

// The types of fields, as errors name them.
const (
	stringType   = "string"
	boolType     = "boolean"
	positiveType = "positive integer"
)

// checkTypes returns an error for a field that has not its type. It ignores absent fields.
func checkTypes(request map[string]any, types map[string]string) map[string]any {
	for field, should := range types {
		raw, present := request[field]
		ok := !present
		switch should {
		case stringType:
			_, isString := raw.(string)
			ok = ok || isString
		case boolType:
			_, isBool := raw.(bool)
			ok = ok || isBool
		case positiveType:
			_, isPositive := nonNegative(raw)
			ok = ok || isPositive
		}
		if !ok {
			return invalid(field, should)
		}
	}
	return nil
}

func mandatory(request map[string]any, field string) (string, map[string]any) {
	value, missing, ok := stringField(request, field)
	switch {
	case missing:
		return "", pluginError(codeMissing, "Missing mandatory element ("+field+")")
	case !ok:
		return "", invalid(field, stringType)
	}
	return value, nil
}

func invalid(field, should string) map[string]any {
	return pluginError(codeInvalid, "Invalid element type ("+field+" should be a "+should+")")
}

func noSuchRoom(id string) map[string]any {
	return pluginError(codeNoSuchRoom, "No such room ("+id+")")
}

func pluginError(code int, message string) map[string]any {
	return map[string]any{"videoroom": "event", "error_code": code, "error": message}
}

// roomAnswer is the plugin's response to create, edit and destroy. No room is permanent.
func roomAnswer(done, id string) map[string]any {
	return map[string]any{"videoroom": done, "room": id, "permanent": false}
}
