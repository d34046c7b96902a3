package janus

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// Error codes of the VideoRoom plugin, in the form of an error's Type.
const (
	codeNoSuchRoom = "426"
	codeRoomExists = "427"
)

// replyLimit is the maximum size of a reply in bytes. A list has about 540 bytes for each room.
const replyLimit = 64 << 20

// message is the envelope in which the Admin API takes a request to a plugin.
type message struct {
	Janus       string `json:"janus"`
	Plugin      string `json:"plugin"`
	Transaction string `json:"transaction"`
	AdminSecret string `json:"admin_secret"`
	Request     any    `json:"request"`
}

// reply is the envelope of a reply. Error is an error of the gateway, Response the reply of the plugin, which may be an
// error too.
type reply struct {
	Janus       string `json:"janus"`
	Transaction string `json:"transaction"`
	Error       struct {
		Code   int    `json:"code"`
		Reason string `json:"reason"`
	} `json:"error"`
	Response struct {
		VideoRoom string       `json:"videoroom"`
		ErrorCode int          `json:"error_code"`
		Error     string       `json:"error"`
		List      []listedRoom `json:"list"`
	} `json:"response"`
}

type listedRoom struct {
	Room          string `json:"room"`
	Description   string `json:"description"`
	MaxPublishers int32  `json:"max_publishers"`
}

// send sends one request to the plugin and returns the reply. It returns an error if the plugin's reply is not want.
func (g gateway) send(ctx context.Context, want string, request any) (reply, error) {
	sent := message{
		Janus:       "message_plugin",
		Plugin:      "janus.plugin.videoroom",
		Transaction: uuid.NewString(),
		AdminSecret: g.adminSecret,
		Request:     request,
	}
	var received reply
	err := g.rest.Do(ctx, rest.Call{
		Doing:      g.doing,
		Method:     http.MethodPost,
		Body:       sent,
		Reply:      &received,
		Check:      func() error { return received.check(sent.Transaction, want) },
		ReplyLimit: replyLimit,
	})
	switch {
	case err != nil:
		return received, err
	case received.Janus == "error":
		return received, g.failure(received.Error.Code, received.Error.Reason)
	case received.Response.ErrorCode != 0:
		return received, g.failure(received.Response.ErrorCode, received.Response.Error)
	default:
		return received, nil
	}
}

// check returns an error for a reply that is neither an error of the gateway or the plugin, nor the reply that is
// wanted.
func (r reply) check(transaction, want string) error {
	switch {
	case r.Janus == "error": // has no transaction if the gateway could not parse the request
		return nil
	case r.Janus != "success":
		return fmt.Errorf("janus is %q instead of %q", r.Janus, "success")
	case r.Transaction != transaction:
		return fmt.Errorf("it belongs to transaction %q", r.Transaction)
	case r.Response.ErrorCode == 0 && r.Response.VideoRoom != want:
		return fmt.Errorf("videoroom is %q instead of %q", r.Response.VideoRoom, want)
	default:
		return nil
	}
}

// isRefusal reports whether a request that failed with this code fails again: its secret or its form is wrong.
func isRefusal(code int) bool {
	switch code {
	case 403, // gateway: wrong secret
		423, 429, 430, // plugin: unknown request, missing or invalid element
		433, // plugin: wrong admin key, or the room of another owner
		467: // gateway: element of a wrong type
		return true
	}
	return code >= 450 && code <= 460 // gateway: unknown request, plugin or path, or not JSON
}

func (g gateway) failure(code int, reason string) error {
	refused := isRefusal(code)
	return &minigroup.UpstreamError{
		Upstream:  g.rest.Upstream,
		Doing:     g.doing,
		Status:    http.StatusOK,
		Type:      strconv.Itoa(code),
		Detail:    g.rest.Sanitize(reason),
		Refused:   refused,
		MaybeDone: !refused,
	}
}

// refuse returns an error for a request that was not sent.
func (g gateway) refuse(detail string) error {
	return &minigroup.UpstreamError{Upstream: g.rest.Upstream, Doing: g.doing, Detail: detail, Refused: true}
}
