package stack

import "testing"

func TestFreePortReturnsNoPortTwice(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("%d is returned twice", port)
		}
		seen[port] = true
	}
}
