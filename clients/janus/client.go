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

// maxDescription bounds what a gateway is sent: it takes, and keeps, texts of any length.
const maxDescription = 200

// maxRounds bounds how often a room that vanishes between two requests is made again.
const maxRounds = 3

// Config holds the secrets shared with the gateways, the same for all of them.
type Config struct {
	AdminSecret string // of the Admin API
	AdminKey    string // of the VideoRoom plugin; needed to make rooms
	RoomKey     string // room secrets derive from it; known to us alone
}

// Client makes and removes rooms on any gateway.
type Client struct {
	config    Config
	transport http.RoundTripper
}

// New returns a client.
func New(config Config, transport http.RoundTripper) *Client {
	return &Client{config, transport}
}

// Reserve makes the room for this many slots, or changes it when it is there and ours; called twice it does the same
// again. slots is at least 1; description has at most 200 bytes. The Type of an error is the gateway's error code; a room
// of that id which is not ours is a refusal with Type 433.
func (c *Client) Reserve(ctx context.Context, backend minigroup.Backend, room uuid.UUID, slots int32, description string) error {
	g := c.gateway(backend, room, "reserve slots on "+backend.ID)
	// The gateway stores numbers that it cannot hold as others, and texts of any length.
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

// Release removes the room; a room that is not there is removed: no error. Participants are disconnected. A room of that
// id which is not ours is a refusal with Type 433.
func (c *Client) Release(ctx context.Context, backend minigroup.Backend, room uuid.UUID) error {
	err := c.gateway(backend, room, "release slots on "+backend.ID).destroy(ctx)
	if rest.ErrorType(err) == codeNoSuchRoom {
		return nil
	}
	return err
}

// Rooms lists the rooms on the gateway whose description begins with prefix and whose id is a uuid. They may be others'
// all the same: only who can Release one has made it.
func (c *Client) Rooms(ctx context.Context, backend minigroup.Backend, prefix string) ([]minigroup.GatewayRoom, error) {
	listed, err := c.gateway(backend, uuid.Nil, "list rooms of "+backend.ID).list(ctx)
	if err != nil {
		return nil, err
	}
	var rooms []minigroup.GatewayRoom
	for _, room := range listed {
		id, err := uuid.Parse(room.Room)
		if err == nil && strings.HasPrefix(room.Description, prefix) {
			rooms = append(rooms, minigroup.GatewayRoom{ID: id, Slots: room.MaxPublishers})
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

func (g gateway) create(ctx context.Context, slots int32, description string) error {
	_, err := g.ask(ctx, "created", struct {
		Request     string `json:"request"`
		Room        string `json:"room"`
		Secret      string `json:"secret"`
		AdminKey    string `json:"admin_key"`
		IsPrivate   bool   `json:"is_private"`
		Publishers  int32  `json:"publishers"`
		Description string `json:"description"`
	}{"create", g.room, g.secret, g.adminKey, true, slots, description})
	return err
}

// edit is for a room that is there, so its errors are maybe done whatever became of the edit itself.
func (g gateway) edit(ctx context.Context, slots int32, description string) error {
	_, err := g.ask(ctx, "edited", struct {
		Request     string `json:"request"`
		Room        string `json:"room"`
		Secret      string `json:"secret"`
		Publishers  int32  `json:"new_publishers"`
		Description string `json:"new_description"`
	}{"edit", g.room, g.secret, slots, description})
	var failed *minigroup.UpstreamError
	if errors.As(err, &failed) && !failed.Refused {
		failed.MaybeDone = true
	}
	return err
}

func (g gateway) destroy(ctx context.Context) error {
	_, err := g.ask(ctx, "destroyed", struct {
		Request string `json:"request"`
		Room    string `json:"room"`
		Secret  string `json:"secret"`
	}{"destroy", g.room, g.secret})
	return err
}

func (g gateway) list(ctx context.Context) ([]listedRoom, error) {
	reply, err := g.ask(ctx, "success", struct {
		Request  string `json:"request"`
		AdminKey string `json:"admin_key"`
	}{"list", g.adminKey})
	return reply.Response.List, err
}
