package auth

import (
	"fmt"
	"strings"
)

// Account identifies the caller that a token was issued for. Its audience may be compound (a:b) and contain dots.
type Account struct {
	Label    string
	Audience string
}

// String returns the account id, label.audience.
func (a Account) String() string { return a.Label + "." + a.Audience }

// ParseAccount splits an account id at its first dot. It returns an error if either part is empty.
func ParseAccount(id string) (Account, error) {
	label, audience, _ := strings.Cut(id, ".")
	if label == "" || audience == "" {
		return Account{}, fmt.Errorf("account id %q: must be label.audience", id)
	}
	return Account{Label: label, Audience: audience}, nil
}
