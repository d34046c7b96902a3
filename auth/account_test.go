package auth_test

import (
	"testing"

	"minigroups/auth"
)

func TestParseAccount(t *testing.T) {
	t.Run("splits at the first dot", func(t *testing.T) {
		got, err := auth.ParseAccount("teacher.school.example.org")
		want := auth.Account{Label: "teacher", Audience: "school.example.org"}
		if err != nil || got != want {
			t.Fatalf("got %v, %v; want %v", got, err, want)
		}
		if got.String() != "teacher.school.example.org" {
			t.Fatalf("String() gives %q", got.String())
		}
	})
	for _, id := range []string{"", "teacher", ".example", "teacher.", "."} {
		t.Run("rejects "+id, func(t *testing.T) {
			if got, err := auth.ParseAccount(id); err == nil {
				t.Fatalf("got %v", got)
			}
		})
	}
}
