package conference_test

import "testing"

func FuzzReplies(f *testing.F) { service.FuzzReplies(f) }
