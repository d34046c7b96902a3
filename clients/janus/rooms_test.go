package janus_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"minigroups/minigroup"
)

func TestRooms(t *testing.T) {
	for _, gateway := range gateways {
		t.Run(gateway.name, func(t *testing.T) {
			backend := gateway.start(t)
			client := newClient(t, config)
			ctx := bounded(t, time.Minute)
			if rooms, err := client.Rooms(ctx, backend, "minigroup:"); err != nil || len(rooms) != 0 {
				t.Fatalf("an empty gateway lists %v, %v", rooms, err)
			}
			ours, others := uuid.New(), uuid.New()
			for id, text := range map[uuid.UUID]string{ours: description, others: "webinar:1"} {
				if err := client.Reserve(ctx, backend, id, 7, text); err != nil {
					t.Fatal(err)
				}
			}
			// Another user of the gateway may create a room whose name is not a uuid.
			send(t, backend, map[string]any{
				"request": "create", "room": "lobby", "description": description, "admin_key": config.AdminKey,
			}, &struct{}{})
			rooms, err := client.Rooms(ctx, backend, "minigroup:")
			want := []minigroup.GatewayRoom{{ID: ours, Slots: 7, ClassID: describedClass}}
			if err != nil || !slices.Equal(rooms, want) {
				t.Fatalf("got %v, %v; want %v", rooms, err, want)
			}
			t.Run("lists more rooms than fit into the usual reply limit", func(t *testing.T) {
				for range 2100 { // about 540 bytes each
					if err := client.Reserve(ctx, backend, uuid.New(), 1, description); err != nil {
						t.Fatal(err)
					}
				}
				if rooms, err := client.Rooms(ctx, backend, "minigroup:"); err != nil || len(rooms) != 2101 {
					t.Fatalf("got %d rooms, %v", len(rooms), err)
				}
			})
			t.Run("a gateway with another secret is unfit", func(t *testing.T) {
				wrong := config
				wrong.AdminSecret = "wrong-secret"
				var failed *minigroup.UpstreamError
				_, err := newClient(t, wrong).Rooms(ctx, backend, "")
				if !errors.As(err, &failed) || !failed.Unfit || failed.Refused ||
					strings.Contains(err.Error(), wrong.AdminSecret) {
					t.Fatalf("got %v", err)
				}
			})
		})
	}
}
