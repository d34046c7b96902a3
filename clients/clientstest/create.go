package clientstest

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestCreateRoom tests what creates leave, and how those are told that may not be.
func (s Service[C, N]) TestCreateRoom(t *testing.T) {
	t.Run("makes another room each time", func(t *testing.T) {
		in := s.Start(t)
		asked := in.NewRoom()
		for range 2 {
			if _, err := in.Client.CreateRoom(in.Context(), asked); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(in.rooms()); n != 2 {
			t.Errorf("%d rooms", n)
		}
	})

	t.Run("by a stranger is refused", func(t *testing.T) {
		in := s.Start(t)
		in.subject = "stranger"
		_, err := in.Client.CreateRoom(in.Context(), in.NewRoom())
		if failed := s.Failure(t, err); Verdict(failed) != "refused" || failed.Type != "access_denied" || failed.Status != 403 {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("with a token that is not ours is refused, and the token not told", func(t *testing.T) {
		in := s.Start(t)
		client := s.NewClient(in.URL, in.Transport, func() (string, error) { return "rubbish", nil })
		_, err := client.CreateRoom(in.Context(), in.NewRoom())
		if failed := s.Failure(t, err); Verdict(failed) != "refused" || failed.Type != "invalid_authentication" || failed.Status != 401 || strings.Contains(err.Error(), "rubbish") {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("while authorization is down may be tried again", func(t *testing.T) {
		in := s.Start(t)
		_, err := in.Client.CreateRoom(in.Context(), s.NewRoom(unreachable, uuid.New(), in.Now.Load()))
		if failed := s.Failure(t, err); Verdict(failed) != notDone || failed.Type != "authorization_failed" {
			t.Errorf("%+v", failed)
		}
	})
}
