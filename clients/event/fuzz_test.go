package event_test

import "testing"

func FuzzReplies(f *testing.F) { service.FuzzReplies(f) }
