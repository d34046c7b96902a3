package auth

import (
	"fmt"
	"strings"
)

// Account is who a token speaks for. Its audience may be compound (a:b) and have dots of its own.
type Account struct {
	Label    string
	Audience string
}

// String is the account id: label.audience.
func (a Account) String() string { return a.Label + "." + a.Audience }

// ParseAccount reads an account id, which is split at its first dot. It returns an error where either part is empty.
func ParseAccount(id string) (Account, error) {
	label, audience, _ := strings.Cut(id, ".")
	if label == "" || audience == "" {
		return Account{}, fmt.Errorf("account id %q: must be label.audience", id)
	}
	return Account{Label: label, Audience: audience}, nil
}
