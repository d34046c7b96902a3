package janus_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/clients/clientstest"
	"minigroups/clients/janus"
	"minigroups/minigroup"
)

func TestReserveAndRelease(t *testing.T) {
	for _, gateway := range gateways {
		t.Run(gateway.name, func(t *testing.T) { testReserveAndRelease(t, gateway.start(t)) })
	}
}

func testReserveAndRelease(t *testing.T, backend minigroup.Backend) {
	client := newClient(t, config)
	otherOwner := newClient(t, janus.Config{
		AdminSecret: config.AdminSecret, AdminKey: config.AdminKey, RoomKey: "another",
	})
	reserve := func(
		t *testing.T, c *janus.Client, id uuid.UUID, slots int32, description string,
	) *minigroup.UpstreamError {
		t.Helper()
		return failure(t, c.Reserve(bounded(t, 10*time.Second), backend, id, slots, description))
	}
	release := func(t *testing.T, c *janus.Client, id uuid.UUID) *minigroup.UpstreamError {
		t.Helper()
		return failure(t, c.Release(bounded(t, 10*time.Second), backend, id))
	}
	// wantRooms fails the test unless the gateway has exactly this room, or none.
	wantRooms := func(t *testing.T, want ...room) {
		t.Helper()
		rooms := list(t, backend)
		if len(rooms) != len(want) || len(want) == 1 && rooms[0] != want[0] {
			t.Errorf("%+v, want %+v", rooms, want)
		}
	}

	t.Run("a reservation is a private room that a release destroys", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, client, id, 8, description); failed != nil {
			t.Fatal(failed)
		}
		wantRooms(t, privateRoom(id, description, 8))
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
		wantRooms(t)
	})

	t.Run("a second reserve changes the reservation", func(t *testing.T) {
		id := uuid.New()
		for _, slots := range []int32{5, 5, 7, 3} {
			text := fmt.Sprintf("minigroup:%d", slots)
			if failed := reserve(t, client, id, slots, text); failed != nil {
				t.Fatal(failed)
			}
			wantRooms(t, privateRoom(id, text, int64(slots)))
		}
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("releasing a room that does not exist succeeds", func(t *testing.T) {
		if failed := release(t, client, uuid.New()); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("the maximum of slots can be reserved", func(t *testing.T) {
		id := uuid.New()
		for range 2 {
			if failed := reserve(t, client, id, math.MaxInt32, strings.Repeat("d", 200)); failed != nil {
				t.Fatal(failed)
			}
			wantRooms(t, privateRoom(id, strings.Repeat("d", 200), math.MaxInt32))
		}
		if failed := release(t, client, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("values that the gateway would change are refused", func(t *testing.T) {
		for _, failed := range []*minigroup.UpstreamError{
			reserve(t, client, uuid.New(), 0, description),
			reserve(t, client, uuid.New(), -1, description),
			reserve(t, client, uuid.New(), 1, strings.Repeat("d", 201)),
		} {
			if clientstest.Verdict(failed) != clientstest.Refused {
				t.Errorf("%+v", failed)
			}
		}
		wantRooms(t)
	})

	t.Run("the room of another owner is refused and stays", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, otherOwner, id, 4, "theirs"); failed != nil {
			t.Fatal(failed)
		}
		for _, failed := range []*minigroup.UpstreamError{
			reserve(t, client, id, 8, description), release(t, client, id),
		} {
			if clientstest.Verdict(failed) != clientstest.Refused || failed.Unfit || failed.Type != "433" ||
				failed.Status != 200 {
				t.Errorf("%+v", failed)
			}
		}
		wantRooms(t, privateRoom(id, "theirs", 4))
		if failed := release(t, otherOwner, id); failed != nil {
			t.Fatal(failed)
		}
	})

	t.Run("the secret of a room is the HMAC of its id", func(t *testing.T) {
		id := uuid.New()
		if failed := reserve(t, client, id, 8, description); failed != nil {
			t.Fatal(failed)
		}
		mac := hmac.New(sha256.New, []byte(config.RoomKey))
		mac.Write([]byte(id.String()))
		var reply struct{ VideoRoom string }
		send(t, backend, map[string]any{
			"request": "destroy", "room": id.String(), "secret": hex.EncodeToString(mac.Sum(nil)),
		}, &reply)
		if reply.VideoRoom != "destroyed" {
			t.Errorf("%+v", reply)
		}
	})

	t.Run("a gateway with other secrets is unfit", func(t *testing.T) {
		for _, test := range []struct {
			config janus.Config
			want   string
		}{
			{janus.Config{AdminSecret: "wrong", AdminKey: config.AdminKey, RoomKey: config.RoomKey}, "403"},
			{janus.Config{AdminSecret: config.AdminSecret, AdminKey: "wrong", RoomKey: config.RoomKey}, "433"},
		} {
			other := newClient(t, test.config)
			_, listErr := other.Rooms(bounded(t, 10*time.Second), backend, "")
			for _, failed := range []*minigroup.UpstreamError{
				reserve(t, other, uuid.New(), 8, description), failure(t, listErr),
			} {
				if clientstest.Verdict(failed) != clientstest.NotDone || !failed.Unfit || failed.Type != test.want {
					t.Errorf("%+v", failed)
				}
			}
		}
		wantRooms(t)
	})

	t.Run("an address that is not the Admin API is unfit", func(t *testing.T) {
		wrong := backend
		wrong.AdminURL = strings.TrimSuffix(wrong.AdminURL, "/admin") + "/nowhere"
		failed := failure(t, client.Reserve(bounded(t, 10*time.Second), wrong, uuid.New(), 8, description))
		if clientstest.Verdict(failed) != clientstest.NotDone || !failed.Unfit || failed.Status != 404 {
			t.Errorf("%+v", failed)
		}
		wantRooms(t)
	})
}

func TestAGatewayWhoseRoomsHaveNumbersIsUnfit(t *testing.T) {
	for _, gateway := range gateways {
		t.Run(gateway.name, func(t *testing.T) {
			backend, client, ctx := gateway.startNumeric(t), newClient(t, config), bounded(t, time.Minute)
			_, listErr := client.Rooms(ctx, backend, "")
			for doing, err := range map[string]error{
				"reserve": client.Reserve(ctx, backend, uuid.New(), 8, description),
				"release": client.Release(ctx, backend, uuid.New()),
				"list":    listErr,
			} {
				failed := failure(t, err)
				if clientstest.Verdict(failed) != clientstest.NotDone || !failed.Unfit || failed.Type != "430" ||
					!strings.Contains(failed.Detail, "room should be a positive integer") {
					t.Errorf("%s: %+v", doing, failed)
				}
			}
		})
	}
}

func TestReserveOnAFrozenAndOnAKilledGateway(t *testing.T) {
	client := newClient(t, config)
	process, backend := startProcess(t)
	t.Cleanup(func() { _ = process.Kill() })
	id := uuid.New()
	if err := client.Reserve(bounded(t, 10*time.Second), backend, id, 8, description); err != nil {
		t.Fatal(err)
	}

	if err := process.Freeze(); err != nil {
		t.Fatal(err)
	}
	failed := failure(t, client.Reserve(bounded(t, 100*time.Millisecond), backend, id, 8, description))
	if clientstest.Verdict(failed) != clientstest.MaybeDone || !errors.Is(failed, context.DeadlineExceeded) {
		t.Errorf("a frozen gateway: %+v", failed)
	}

	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-process.Done()

	failed = failure(t, client.Reserve(bounded(t, 10*time.Second), backend, id, 8, description))
	if clientstest.Verdict(failed) != clientstest.NotDone {
		t.Errorf("a killed gateway: %+v", failed)
	}
}
