package janus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// Error codes of the VideoRoom plugin, in the form of an error's Type.
const (
	codeNoSuchRoom   = "426"
	codeRoomExists   = "427"
	codeUnauthorized = "433"
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
// The error is Unfit if the gateway is misconfigured, or if what answers is not a gateway.
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
		return received, markUnfit(err)
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
		return unexpectedReply(fmt.Sprintf("janus is %q instead of %q", r.Janus, "success"))
	case r.Transaction != transaction:
		return unexpectedReply(fmt.Sprintf("it belongs to transaction %q", r.Transaction))
	case r.Response.ErrorCode == 0 && r.Response.VideoRoom != want:
		return unexpectedReply(fmt.Sprintf("videoroom is %q instead of %q", r.Response.VideoRoom, want))
	default:
		return nil
	}
}

// unexpectedReply says in what a reply differs from that of a gateway.
type unexpectedReply string

func (u unexpectedReply) Error() string { return string(u) }

// markUnfit sets Unfit if a gateway does not answer like this: with another status than 2xx, something that is not
// JSON, or JSON of another form. A reply that is cut short does not count. A web server or proxy that answers 401, 403,
// 404 or 405 has not passed the request on, so that it was not executed.
func markUnfit(err error) error {
	var failed *minigroup.UpstreamError
	if !errors.As(err, &failed) || failed.Status == 0 {
		return err
	}
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	var unexpected unexpectedReply
	failed.Unfit = failed.Status/100 != 2 ||
		errors.As(err, &syntax) || errors.As(err, &wrongType) || errors.As(err, &unexpected)
	switch failed.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		failed.MaybeDone = false
	}
	return err
}

// isUnfit reports whether an error code says that the gateway executes no request of this service, because its
// configuration or its software is wrong. Every request of this client is well-formed.
func isUnfit(code int) bool {
	switch code {
	case 403, // gateway: wrong admin_secret
		421, 422, 423, 429, // plugin: the request is missing, not an object, unknown, or lacks an element
		430, // plugin: invalid element, such as a uuid as the id of a room without string_ids
		433, // plugin: wrong admin_key; edit and destroy require no admin_key and give it another meaning
		467: // gateway: element of a wrong type
		return true
	}
	return code >= 450 && code <= 460 // gateway: unknown request, plugin or path, or not JSON
}

func (g gateway) failure(code int, reason string) error {
	unfit := isUnfit(code)
	return &minigroup.UpstreamError{
		Upstream:  g.rest.Upstream,
		Doing:     g.doing,
		Status:    http.StatusOK,
		Type:      strconv.Itoa(code),
		Detail:    g.rest.Sanitize(reason),
		Unfit:     unfit,
		MaybeDone: !unfit,
	}
}

// refuseOtherOwner makes the error of an edit or destroy Refused if the gateway has rejected the room's secret: another
// owner has a room of this id, which is not a fault of the gateway.
func refuseOtherOwner(err error) error {
	var failed *minigroup.UpstreamError
	if errors.As(err, &failed) && failed.Type == codeUnauthorized && failed.Status == http.StatusOK {
		failed.Refused, failed.Unfit = true, false
	}
	return err
}

// refuse returns an error for a request that was not sent.
func (g gateway) refuse(detail string) error {
	return &minigroup.UpstreamError{Upstream: g.rest.Upstream, Doing: g.doing, Detail: detail, Refused: true}
}
