package e2e

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"minigroups/stack"
)

// lastRelease returns a folder with the sources of the last released version: those of the commit that has added its
// promises. As long as nothing is released, it is the last commit.
func lastRelease(t *testing.T) string {
	t.Helper()
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", ".."}, args...)...).Output()
		if err != nil {
			t.Fatalf("git %q: %v. The test needs a clone with its history", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	commit := git("log", "-1", "--format=%H", "--diff-filter=A", "--", ":(glob)released/*/migrations.txt")
	if commit == "" {
		commit = git("rev-parse", "HEAD")
	}
	archive, folder := filepath.Join(t.TempDir(), "release.tar"), t.TempDir()
	git("archive", "--output", archive, commit)
	if out, err := exec.CommandContext(t.Context(), "tar", "-xf", archive, "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("unpack the release: %v: %s", err, out)
	}
	return folder
}

// startRelease starts a system with the programs of the last released version. The other helpers use it until the test
// ends, so the test must not be parallel.
func startRelease(t *testing.T) *system {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	s := &system{dir: t.TempDir(), bin: filepath.Join(t.TempDir(), "bin"), sources: lastRelease(t)}
	t.Cleanup(s.stop)
	if err := s.start(ctx); err != nil {
		t.Fatal(err)
	}
	usual := sut
	sut = s
	t.Cleanup(func() { sut = usual })
	return s
}

// upgrade replaces the programs by those of this version, in the order of docs/upgrading.md.
func (s *system) upgrade(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	s.bin = filepath.Join(t.TempDir(), "bin")
	err := stack.BuildService(ctx, "..", s.bin, t.Output())
	if err == nil {
		err = s.restartWorkerWith(ctx, s.configFile)
	}
	if err == nil {
		err = s.apis.Stop(ctx)
	}
	if err == nil {
		err = s.startAPI(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestClassesAndOpenRunsOfTheLastReleaseAreCarriedOn upgrades a system of the last released version in the middle of
// its work.
func TestClassesAndOpenRunsOfTheLastReleaseAreCarriedOn(t *testing.T) {
	s := startRelease(t)
	ready, failed := newClass(t), failedClass(t)
	ready.post().want(t, http.StatusCreated)
	creating, restoreCreate := stuckClass(t)
	undoing, restoreUndo := undoingClass(t)
	updating, recreating := newClass(t), newClass(t)
	updating.post().want(t, http.StatusCreated)
	restoreUpdate := updating.setFault(s.conference, patchFails)
	updating.putAsync(window(updating.start+60, updating.start+3600))
	updating.awaitPatch()
	rooms := *recreating.post().want(t, http.StatusCreated).RealTime
	restoreRecreate := recreating.setFault(s.conference, createFails)
	recreating.recreate(map[string]any{}, "Prefer", "respond-async").want(t, http.StatusAccepted)
	recreating.awaitRetryOf("CreateConferenceRoom")

	s.upgrade(t)
	for _, c := range []*class{ready, updating} { // as before, while the update waits
		c.assertComplete(c.get().object)
	}
	for _, restore := range []func(){restoreCreate, restoreUndo, restoreUpdate, restoreRecreate} {
		restore()
	}
	creating.assertComplete(creating.awaitStatus("real-time").object)
	undoing.awaitFailed()
	eventually(t, func() error {
		if o := updating.get().object; o.Time[0] == nil || *o.Time[0] != updating.start+60 {
			return errors.New("the update is not done")
		}
		return nil
	})
	eventually(t, func() error {
		if o := recreating.get().object; o.RealTime.ConferenceRoomID == rooms.ConferenceRoomID {
			return errors.New("the recreate is not done")
		}
		return nil
	})
	recreating.awaitRooms(recreating.get().object)
	failed.retry().want(t, http.StatusOK)
	ready.put(window(ready.start+60, ready.start+3600)).want(t, http.StatusOK)
	fresh := newClass(t)
	fresh.post().want(t, http.StatusCreated)
	for _, c := range []*class{ready, failed, creating, updating, recreating, fresh} {
		c.assertComplete(c.get().object)
	}
}
