package janus

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"minigroups/clients/rest"
	"minigroups/minigroup"
)

// maxDescription is the maximum length of a description in bytes. The gateway has no limit of its own.
const maxDescription = 200

// maxRounds bounds how often Reserve creates a room that is destroyed between its create and its edit.
const maxRounds = 3

// Config holds the secrets shared with the gateways. All gateways have the same.
type Config struct {
	AdminSecret string // for the Admin API
	AdminKey    string // for the VideoRoom plugin: required to create and list rooms
	RoomKey     string // the HMAC key of the rooms' secrets, known to this service only
}

// Client creates, destroys and lists rooms on any gateway. It is safe for concurrent use. All its errors are
// *minigroup.UpstreamError, and their Type is the gateway's error code.
type Client struct {
	config    Config
	transport http.RoundTripper
}

// New returns a client.
func New(config Config, transport http.RoundTripper) *Client {
	return &Client{config, transport}
}

// Reserve creates the room with this number of slots, or changes it if it exists. Called twice it changes nothing. A
// number of slots below 1 and a description above 200 bytes are Refused, and so is a room of that id with another owner
// (Type 433). The error is Unfit if the fault is the gateway's; if it is not MaybeDone either, the gateway has not made
// the room.
func (c *Client) Reserve(
	ctx context.Context, backend minigroup.Backend, room uuid.UUID, slots int32, description string,
) error {
	g := c.gateway(backend, room, "reserve slots on "+backend.ID)
	// The gateway does not refuse these: it stores another number, and a text of any length.
	if slots < 1 {
		return g.refuse(fmt.Sprintf("%d slots cannot be reserved", slots))
	}
	if len(description) > maxDescription {
		return g.refuse(fmt.Sprintf("a description of %d bytes is too long", len(description)))
	}
	var err error
	for range maxRounds {
		err = g.create(ctx, slots, description)
		if rest.ErrorType(err) != codeRoomExists {
			return err
		}
		err = g.edit(ctx, slots, description)
		if rest.ErrorType(err) != codeNoSuchRoom {
			return err
		}
	}
	return err
}

// Release destroys the room and disconnects its participants. Releasing a room that does not exist is not an error. A
// room of that id with another owner is Refused (Type 433). The error is Unfit if the fault is the gateway's.
func (c *Client) Release(ctx context.Context, backend minigroup.Backend, room uuid.UUID) error {
	err := c.gateway(backend, room, "release slots on "+backend.ID).destroy(ctx)
	if rest.ErrorType(err) == codeNoSuchRoom {
		return nil
	}
	return err
}

// Rooms returns the rooms on the gateway whose description begins with prefix and whose id is a uuid. Another owner may
// have created some of them: Release refuses those. Rooms also checks what Reserve needs: the gateway must know both
// secrets, and accept a uuid as the id of a room. Otherwise the error is Unfit.
func (c *Client) Rooms(ctx context.Context, backend minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error) {
	g := c.gateway(backend, uuid.Nil, "list rooms of "+backend.ID)
	if err := g.exists(ctx); err != nil {
		return nil, err
	}
	listed, err := g.list(ctx)
	if err != nil {
		return nil, err
	}
	var rooms []minigroup.GatewayRoom
	for _, room := range listed {
		id, err := uuid.Parse(room.Room)
		if err == nil && strings.HasPrefix(room.Description, prefix) {
			class, _ := uuid.Parse(strings.TrimPrefix(room.Description, prefix)) // uuid.Nil if it is none
			rooms = append(rooms, minigroup.GatewayRoom{ID: id, Slots: room.MaxPublishers, ClassID: class})
		}
	}
	return rooms, nil
}

// gateway is one room on one gateway.
type gateway struct {
	rest        rest.Client
	doing       string
	adminSecret string
	adminKey    string
	room        string
	secret      string
}

func (c *Client) gateway(backend minigroup.Backend, room uuid.UUID, doing string) gateway {
	mac := hmac.New(sha256.New, []byte(c.config.RoomKey))
	mac.Write([]byte(room.String()))
	secret := hex.EncodeToString(mac.Sum(nil))
	return gateway{
		rest: rest.Client{
			Upstream:  "janus",
			URL:       backend.AdminURL,
			Transport: c.transport,
			Secrets:   []string{c.config.AdminSecret, c.config.AdminKey, secret},
		},
		doing:       doing,
		adminSecret: c.config.AdminSecret,
		adminKey:    c.config.AdminKey,
		room:        room.String(),
		secret:      secret,
	}
}

type createRequest struct {
	Request     string `json:"request"`
	Room        string `json:"room"`
	Secret      string `json:"secret"`
	AdminKey    string `json:"admin_key"`
	IsPrivate   bool   `json:"is_private"`
	Publishers  int32  `json:"publishers"`
	Description string `json:"description"`
}

func (g gateway) create(ctx context.Context, slots int32, description string) error {
	_, err := g.send(ctx, "created", createRequest{
		Request:     "create",
		Room:        g.room,
		Secret:      g.secret,
		AdminKey:    g.adminKey,
		IsPrivate:   true,
		Publishers:  slots,
		Description: description,
	})
	return err
}

type editRequest struct {
	Request     string `json:"request"`
	Room        string `json:"room"`
	Secret      string `json:"secret"`
	Publishers  int32  `json:"new_publishers"`
	Description string `json:"new_description"`
}

// edit changes a room that the gateway has reported to exist. Its errors are therefore MaybeDone unless they are
// Refused, even if the edit itself was not sent.
func (g gateway) edit(ctx context.Context, slots int32, description string) error {
	_, err := g.send(ctx, "edited", editRequest{
		Request:     "edit",
		Room:        g.room,
		Secret:      g.secret,
		Publishers:  slots,
		Description: description,
	})
	err = refuseOtherOwner(err)
	var failed *minigroup.UpstreamError
	if errors.As(err, &failed) && !failed.Refused {
		failed.MaybeDone = true
	}
	return err
}

func (g gateway) destroy(ctx context.Context) error {
	_, err := g.send(ctx, "destroyed", struct {
		Request string `json:"request"`
		Room    string `json:"room"`
		Secret  string `json:"secret"`
	}{"destroy", g.room, g.secret})
	return refuseOtherOwner(err)
}

// exists asks for a room that does not exist. A gateway without string_ids answers that the id is invalid.
func (g gateway) exists(ctx context.Context) error {
	_, err := g.send(ctx, "success", struct {
		Request string `json:"request"`
		Room    string `json:"room"`
	}{"exists", g.room})
	return err
}

func (g gateway) list(ctx context.Context) ([]listedRoom, error) {
	received, err := g.send(ctx, "success", struct {
		Request  string `json:"request"`
		AdminKey string `json:"admin_key"`
	}{"list", g.adminKey})
	return received.Response.List, err
}
