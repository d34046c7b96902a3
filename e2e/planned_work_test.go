package e2e

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"minigroups/config"
	"minigroups/stack"
	"minigroups/workflows"
)

// TestTheRoomKeyIsReplaced follows docs/operations.md: after the workers have another key, each gateway is restarted,
// and the sweeper creates its rooms anew.
func TestTheRoomKeyIsReplaced(t *testing.T) {
	c := newClass(t)
	c.post().want(t, http.StatusCreated)
	restartWith := func(ctx context.Context, cfg config.Config) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "config.yaml")
		err := errors.Join(config.Save(file, cfg), sut.restartWorkerWith(ctx, file), sut.janus.Kill(), sut.restartJanus(ctx))
		if err != nil {
			t.Fatal(err)
		}
	}
	cfg := sut.cfg
	cfg.Janus.RoomKey = "another-room-key"
	restartWith(t.Context(), cfg)
	t.Cleanup(func() { restartWith(context.Background(), sut.cfg) }) // for the classes of other tests
	sweepUntil(t, workflows.ScheduleGateways, func() error {
		if len(c.gatewayRooms()) == 0 {
			return errors.New("the gateway has no room yet")
		}
		return nil
	})
	c.put(map[string]any{"reserve": 5}).want(t, http.StatusOK)
	c.assertComplete(c.awaitStatus("real-time").object)
}

// TestTheServiceKeyIsReplaced follows docs/operations.md: no worker runs while event and conference get the new public
// key, and what is requested meanwhile waits.
func TestTheServiceKeyIsReplaced(t *testing.T) {
	folder, cfg := t.TempDir(), sut.cfg
	private, public := filepath.Join(folder, "service.pem"), filepath.Join(folder, "service.pub.pem")
	if _, err := stack.WriteKeys(private, public); err != nil {
		t.Fatal(err)
	}
	cfg.Account.PrivateKeyFile = private
	configFile := filepath.Join(folder, "config.yaml")
	if err := config.Save(configFile, cfg); err != nil {
		t.Fatal(err)
	}
	c := newClass(t)
	replace := func(ctx context.Context, publicKey, configFile string, meanwhile func()) {
		t.Helper()
		if err := errors.Join(sut.worker.Stop(ctx), sut.sandbox.Stop(ctx)); err != nil {
			t.Fatal(err)
		}
		meanwhile()
		err := sut.startSandboxTrusting(ctx, publicKey)
		if err == nil {
			sut.worker, err = sut.anotherWorker(ctx, "worker", configFile)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { replace(context.Background(), sut.publicKey(), sut.configFile, func() {}) })
	replace(t.Context(), public, configFile, func() { c.postAsync() })
	c.assertComplete(c.awaitStatus("real-time").object)
}
