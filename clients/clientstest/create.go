package clientstest

import (
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestCreateRoom checks that each create makes a room, and how the client classifies a create without permission.
func (s Service[C, N]) TestCreateRoom(t *testing.T) {
	t.Run("each create makes a room", func(t *testing.T) {
		standIn := s.Start(t)
		room := standIn.NewRoom()
		for range 2 {
			if _, err := standIn.Client.CreateRoom(standIn.Context(), room); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(standIn.rooms()); n != 2 {
			t.Errorf("%d rooms", n)
		}
	})

	t.Run("a create by an account without permission is refused", func(t *testing.T) {
		standIn := s.Start(t)
		standIn.subject = "stranger"
		_, err := standIn.Client.CreateRoom(standIn.Context(), standIn.NewRoom())
		failed := s.Failure(t, err)
		if Verdict(failed) != Refused || failed.Type != "access_denied" || failed.Status != 403 {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a create with an invalid token is refused without quoting the token", func(t *testing.T) {
		standIn := s.Start(t)
		client := s.NewClient(standIn.URL, standIn.Transport, func() (string, error) { return "rubbish", nil })
		_, err := client.CreateRoom(standIn.Context(), standIn.NewRoom())
		failed := s.Failure(t, err)
		if Verdict(failed) != Refused || failed.Type != "invalid_authentication" || failed.Status != 401 ||
			strings.Contains(err.Error(), "rubbish") {
			t.Errorf("%+v", failed)
		}
	})

	t.Run("a create while authorization is unreachable is not done", func(t *testing.T) {
		standIn := s.Start(t)
		room := s.NewRoom(unreachableAudience, uuid.New(), standIn.Now.Load())
		_, err := standIn.Client.CreateRoom(standIn.Context(), room)
		if failed := s.Failure(t, err); Verdict(failed) != NotDone || failed.Type != "authorization_failed" {
			t.Errorf("%+v", failed)
		}
	})
}
