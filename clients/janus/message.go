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

// Error codes of the VideoRoom plugin, as they stand in an error's Type.
const (
	codeNoSuchRoom = "426"
	codeRoomExists = "427"
)

// message is a request to the plugin, wrapped for the Admin API.
type message struct {
	Janus       string `json:"janus"`
	Plugin      string `json:"plugin"`
	Transaction string `json:"transaction"`
	AdminSecret string `json:"admin_secret"`
	Request     any    `json:"request"`
}

// answer has room for an error of the gateway (Error) and one of its plugin (Response): both come as 200.
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

// ask sends one request to the plugin, wants this word back and returns the whole answer.
func (g gateway) ask(ctx context.Context, want string, request any) (reply, error) {
	sent := message{"message_plugin", "janus.plugin.videoroom", uuid.NewString(), g.adminSecret, request}
	var reply reply
	err := g.rest.Do(ctx, rest.Call{
		Doing:  g.doing,
		Method: http.MethodPost,
		Body:   sent,
		Reply:  &reply,
		Check:  func() error { return reply.check(sent.Transaction, want) },
		// A list has about 540 bytes a room.
		ReplyLimit: 64 << 20,
	})
	switch {
	case err != nil:
		return reply, err
	case reply.Janus == "error":
		return reply, g.failure(reply.Error.Code, reply.Error.Reason)
	case reply.Response.ErrorCode != 0:
		return reply, g.failure(reply.Response.ErrorCode, reply.Response.Error)
	default:
		return reply, nil
	}
}

// check finds what is neither an error of the gateway, nor one of its plugin, nor the word that was wanted.
func (a reply) check(transaction, want string) error {
	switch {
	case a.Janus == "error": // comes without a transaction when the request could not be read
		return nil
	case a.Janus != "success":
		return fmt.Errorf("janus says %q", a.Janus)
	case a.Transaction != transaction:
		return fmt.Errorf("it is of transaction %q", a.Transaction)
	case a.Response.ErrorCode == 0 && a.Response.VideoRoom != want:
		return fmt.Errorf("videoroom says %q instead of %q", a.Response.VideoRoom, want)
	default:
		return nil
	}
}

// isRefusal tells a wrong secret or a request that is never taken from what may pass.
func isRefusal(code int) bool {
	switch code {
	case 403, // core: wrong secret
		423, 429, 430, // plugin: unknown request, missing or wrong element
		433, // plugin: wrong admin key, or a room that is not ours
		467: // core: element of a wrong type
		return true
	}
	return code >= 450 && code <= 460 // core: no such request, plugin or path, not JSON
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

func (g gateway) refuse(detail string) error {
	return &minigroup.UpstreamError{Upstream: g.rest.Upstream, Doing: g.doing, Detail: detail, Refused: true}
}
