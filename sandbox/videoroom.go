package sandbox

import (
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
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
	adminKey   string
	numericIDs bool

	mu    sync.Mutex
	byID  map[string]*videoRoom
	order []string
}

// handle executes one request, which may be nil, and returns the plugin's response, which may be an error.
func (v *videoRooms) handle(request map[string]any) map[string]any {
	verb, failure := mandatory(request, "request")
	if failure != nil {
		return failure
	}
	if _, _, isString := stringField(request, "room"); v.numericIDs && isString {
		return invalid("room", positiveType)
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
	verb, _, _ := stringField(request, "request")
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

// concerns reports whether the id of the request's room, or its old or new description, contains the uuid.
func (v *videoRooms) concerns(request map[string]any, id uuid.UUID) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	name, _, _ := stringField(request, "room")
	texts := []string{name}
	if room, known := v.byID[name]; known {
		texts = append(texts, room.description)
	}
	for _, field := range []string{"description", "new_description"} {
		description, _, _ := stringField(request, field)
		texts = append(texts, description)
	}
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, id.String()) })
}

func (v *videoRooms) create(request map[string]any) map[string]any {
	failure := checkTypes(request, map[string]string{
		"room": stringType, "description": stringType, "secret": stringType, "pin": stringType,
		"is_private": boolType, "permanent": boolType, "publishers": positiveType,
	})
	if failure != nil {
		return failure
	}
	if v.adminKey != "" {
		key, failure := mandatory(request, "admin_key")
		if failure != nil {
			return failure
		}
		if key != v.adminKey {
			return pluginError(codeUnauthorized, "Unauthorized (wrong admin_key)")
		}
	}
	id, missing, _ := stringField(request, "room")
	if missing {
		id = uuid.NewString()
	}
	if v.byID[id] != nil {
		return pluginError(codeRoomExists, "Room "+id+" already exists")
	}
	v.byID[id] = newVideoRoom(id, request)
	v.order = append(v.order, id)
	return roomAnswer("created", id)
}

func newVideoRoom(id string, request map[string]any) *videoRoom {
	room := &videoRoom{id: id, publishers: defaultPublishers}
	room.description, _, _ = stringField(request, "description")
	if room.description == "" {
		room.description = "Room " + id
	}
	if secret, _, given := stringField(request, "secret"); given {
		room.secret = &secret
	}
	if pin, _, given := stringField(request, "pin"); given {
		room.pin = &pin
	}
	room.private, _ = request["is_private"].(bool)
	if publishers, given := nonNegative(request["publishers"]); given {
		room.publishers = truncate(publishers)
	}
	if room.publishers < 0 {
		room.publishers = defaultPublishers
	}
	return room
}

// truncate returns the lower 32 bits, as the gateway does.
func truncate(n int64) int32 { return int32(n) } //nolint:gosec // overflows as in the gateway

func (v *videoRooms) edit(request map[string]any) map[string]any {
	id, failure := mandatory(request, "room")
	if failure != nil {
		return failure
	}
	failure = checkTypes(request, map[string]string{
		"secret": stringType, "new_description": stringType, "new_secret": stringType, "new_pin": stringType,
		"new_is_private": boolType, "permanent": boolType, "new_publishers": positiveType,
	})
	if failure != nil {
		return failure
	}
	room, failure := v.authorized(id, request)
	if failure != nil {
		return failure
	}
	if description, _, _ := stringField(request, "new_description"); description != "" {
		room.description = description
	}
	if secret, _, _ := stringField(request, "new_secret"); secret != "" {
		room.secret = &secret
	}
	if pin, _, _ := stringField(request, "new_pin"); pin != "" {
		room.pin = &pin
	}
	if private, given := request["new_is_private"].(bool); given {
		room.private = private
	}
	// Unlike create, edit stores a negative result.
	if publishers, given := nonNegative(request["new_publishers"]); given {
		room.publishers = truncate(publishers)
	}
	return roomAnswer("edited", id)
}

func (v *videoRooms) destroy(request map[string]any) map[string]any {
	id, failure := mandatory(request, "room")
	if failure != nil {
		return failure
	}
	if _, failure := v.authorized(id, request); failure != nil {
		return failure
	}
	delete(v.byID, id)
	v.order = slices.DeleteFunc(v.order, func(other string) bool { return other == id })
	return roomAnswer("destroyed", id)
}

func (v *videoRooms) exists(request map[string]any) map[string]any {
	id, failure := mandatory(request, "room")
	if failure != nil {
		return failure
	}
	return map[string]any{"videoroom": "success", "room": id, "exists": v.byID[id] != nil}
}

func (v *videoRooms) list(request map[string]any) map[string]any {
	// A key that is not a string counts as absent.
	key, _, given := stringField(request, "admin_key")
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
	id, failure := mandatory(request, "room")
	if failure != nil {
		return failure
	}
	if v.byID[id] == nil {
		return noSuchRoom(id)
	}
	return map[string]any{"videoroom": "participants", "room": id, "participants": []any{}}
}

// inspect returns all rooms in the order of creation.
func (v *videoRooms) inspect() []JanusRoom {
	v.mu.Lock()
	defer v.mu.Unlock()
	rooms := []JanusRoom{}
	for _, id := range v.order {
		r := v.byID[id]
		rooms = append(rooms, JanusRoom{
			Room: id, Description: r.description, IsPrivate: r.private, MaxPublishers: r.publishers,
		})
	}
	return rooms
}

// authorized returns the room if the request has its secret or the room has none, else an error.
func (v *videoRooms) authorized(id string, request map[string]any) (*videoRoom, map[string]any) {
	room, known := v.byID[id]
	if !known {
		return nil, noSuchRoom(id)
	}
	if room.secret == nil {
		return room, nil
	}
	secret, failure := mandatory(request, "secret")
	if failure != nil {
		return nil, failure
	}
	if secret != *room.secret {
		return nil, pluginError(codeUnauthorized, "Unauthorized (wrong secret)")
	}
	return room, nil
}
