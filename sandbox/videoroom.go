package sandbox

import (
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// The plugin's error codes.
const (
	codeUnknownRequest = 423
	codeNoSuchRoom     = 426
	codeRoomExists     = 427
	codeMissing        = 429
	codeInvalid        = 430
	codeUnauthorized   = 433
)

const defaultPublishers = 3

// videoRoom is a room of the VideoRoom plugin.
type videoRoom struct {
	id          string
	description string
	secret      *string
	pin         *string
	private     bool
	publishers  int32
}

// videoRooms is the VideoRoom plugin.
type videoRooms struct {
	adminKey string

	mu    sync.Mutex
	byID  map[string]*videoRoom
	order []string
}

// handle carries out one request, nil included, and returns the plugin's response, errors included.
func (v *videoRooms) handle(request map[string]any) map[string]any {
	verb, wrong := mandatory(request, "request")
	if wrong != nil {
		return wrong
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch strings.ToLower(verb) {
	case "create":
		return v.create(request)
	case "edit":
		return v.edit(request)
	case "destroy":
		return v.destroy(request)
	case "exists":
		return v.exists(request)
	case "list":
		return v.list(request)
	case "listparticipants":
		return v.listParticipants(request)
	}
	return pluginError(codeUnknownRequest, "Unknown request '"+verb+"'")
}

func videoRoomOperation(request map[string]any) Operation {
	verb, _, _ := word(request, "request")
	switch strings.ToLower(verb) {
	case "create":
		return OperationCreate
	case "edit":
		return OperationUpdate
	case "destroy":
		return OperationClose
	case "exists", "list", "listparticipants":
		return OperationRead
	}
	return OperationAny
}

// concerns: the request is about the room of that id, or one whose description, old or new, contains it.
func (v *videoRooms) concerns(request map[string]any, id uuid.UUID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	name, _, _ := word(request, "room")
	words := []string{name}
	if room, known := v.byID[name]; known {
		words = append(words, room.description)
	}
	for _, field := range []string{"description", "new_description"} {
		description, _, _ := word(request, field)
		words = append(words, description)
	}
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, id.String()) })
}

func (v *videoRooms) create(request map[string]any) map[string]any {
	wrong := checkTypes(request, map[string]string{
		"room": stringType, "description": stringType, "secret": stringType, "pin": stringType,
		"is_private": boolType, "permanent": boolType, "publishers": positiveType,
	})
	if wrong != nil {
		return wrong
	}
	if v.adminKey != "" {
		key, wrong := mandatory(request, "admin_key")
		if wrong != nil {
			return wrong
		}
		if key != v.adminKey {
			return pluginError(codeUnauthorized, "Unauthorized (wrong admin_key)")
		}
	}
	id, missing, _ := word(request, "room")
	if missing {
		id = uuid.NewString()
	}
	if v.byID[id] != nil {
		return pluginError(codeRoomExists, "Room "+id+" already exists")
	}
	v.byID[id] = newVideoRoom(id, request)
	v.order = append(v.order, id)
	return permanentless("created", id)
}

func newVideoRoom(id string, request map[string]any) *videoRoom {
	room := &videoRoom{id: id, publishers: defaultPublishers}
	room.description, _, _ = word(request, "description")
	if room.description == "" {
		room.description = "Room " + id
	}
	if secret, _, given := word(request, "secret"); given {
		room.secret = &secret
	}
	if pin, _, given := word(request, "pin"); given {
		room.pin = &pin
	}
	room.private, _ = request["is_private"].(bool)
	if publishers, given := number(request["publishers"]); given {
		room.publishers = truncate(publishers)
	}
	if room.publishers < 0 {
		room.publishers = defaultPublishers
	}
	return room
}

// truncate keeps the lower 32 bits, which is what the gateway keeps of a number.
func truncate(n int64) int32 { return int32(n) } //nolint:gosec // the overflow is the point

func (v *videoRooms) edit(request map[string]any) map[string]any {
	id, wrong := mandatory(request, "room")
	if wrong != nil {
		return wrong
	}
	wrong = checkTypes(request, map[string]string{
		"secret": stringType, "new_description": stringType, "new_secret": stringType, "new_pin": stringType,
		"new_is_private": boolType, "permanent": boolType, "new_publishers": positiveType,
	})
	if wrong != nil {
		return wrong
	}
	room, wrong := v.owned(id, request)
	if wrong != nil {
		return wrong
	}
	if description, _, _ := word(request, "new_description"); description != "" {
		room.description = description
	}
	if secret, _, _ := word(request, "new_secret"); secret != "" {
		room.secret = &secret
	}
	if pin, _, _ := word(request, "new_pin"); pin != "" {
		room.pin = &pin
	}
	if private, given := request["new_is_private"].(bool); given {
		room.private = private
	}
	// Unlike create, edit stores even what comes out negative.
	if publishers, given := number(request["new_publishers"]); given {
		room.publishers = truncate(publishers)
	}
	return permanentless("edited", id)
}

func (v *videoRooms) destroy(request map[string]any) map[string]any {
	id, wrong := mandatory(request, "room")
	if wrong != nil {
		return wrong
	}
	if _, wrong := v.owned(id, request); wrong != nil {
		return wrong
	}
	delete(v.byID, id)
	v.order = slices.DeleteFunc(v.order, func(other string) bool { return other == id })
	return permanentless("destroyed", id)
}

func (v *videoRooms) exists(request map[string]any) map[string]any {
	id, wrong := mandatory(request, "room")
	if wrong != nil {
		return wrong
	}
	return map[string]any{"videoroom": "success", "room": id, "exists": v.byID[id] != nil}
}

func (v *videoRooms) list(request map[string]any) map[string]any {
	// A key of another type than string counts as none.
	key, _, given := word(request, "admin_key")
	if v.adminKey != "" && given && key != v.adminKey {
		return pluginError(codeUnauthorized, "Unauthorized (wrong admin_key)")
	}
	rooms := []map[string]any{}
	for _, id := range v.order {
		if room := v.byID[id]; !room.private || v.adminKey != "" && given {
			rooms = append(rooms, room.listed())
		}
	}
	return map[string]any{"videoroom": "success", "list": rooms}
}

func (v *videoRooms) listParticipants(request map[string]any) map[string]any {
	id, wrong := mandatory(request, "room")
	if wrong != nil {
		return wrong
	}
	if v.byID[id] == nil {
		return noSuchRoom(id)
	}
	return map[string]any{"videoroom": "participants", "room": id, "participants": []any{}}
}

// inspect returns all rooms, in the order of creation.
func (v *videoRooms) inspect() []JanusRoom {
	v.mu.Lock()
	defer v.mu.Unlock()
	rooms := []JanusRoom{}
	for _, id := range v.order {
		r := v.byID[id]
		rooms = append(rooms, JanusRoom{Room: id, Description: r.description, IsPrivate: r.private, MaxPublishers: r.publishers})
	}
	return rooms
}

// owned returns the room if the request knows its secret, or the room has none.
func (v *videoRooms) owned(id string, request map[string]any) (*videoRoom, map[string]any) {
	room, known := v.byID[id]
	if !known {
		return nil, noSuchRoom(id)
	}
	if room.secret == nil {
		return room, nil
	}
	secret, wrong := mandatory(request, "secret")
	if wrong != nil {
		return nil, wrong
	}
	if secret != *room.secret {
		return nil, pluginError(codeUnauthorized, "Unauthorized (wrong secret)")
	}
	return room, nil
}

func (r *videoRoom) listed() map[string]any {
	return map[string]any{
		"room": r.id, "description": r.description, "pin_required": r.pin != nil, "is_private": r.private,
		"max_publishers": r.publishers, "bitrate": 0, "fir_freq": 0, "require_pvtid": false, "require_e2ee": false,
		"dummy_publisher": false, "notify_joining": false, "audiocodec": "opus", "videocodec": "vp8", "opus_fec": true,
		"record": false, "lock_record": false, "num_participants": 0, "audiolevel_ext": true, "audiolevel_event": false,
		"videoorient_ext": true, "playoutdelay_ext": true, "transport_wide_cc_ext": true,
	}
}

// What fields may be.
const (
	stringType   = "string"
	boolType     = "boolean"
	positiveType = "positive integer"
)

// checkTypes returns an error for a field that is there and not what it should be.
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
			_, isPositive := number(raw)
			ok = ok || isPositive
		}
		if !ok {
			return invalid(field, should)
		}
	}
	return nil
}

func mandatory(request map[string]any, field string) (string, map[string]any) {
	value, missing, ok := word(request, field)
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

func pluginError(code int, words string) map[string]any {
	return map[string]any{"videoroom": "event", "error_code": code, "error": words}
}

// permanentless is the plugin's answer to what it did: no room outlives the gateway.
func permanentless(done, id string) map[string]any {
	return map[string]any{"videoroom": done, "room": id, "permanent": false}
}
