package process

import (
	"fmt"
	"os"

	"minigroups/auth"
	"minigroups/config"
)

// Signer reads the private key of the configured account and returns a signer for this service's tokens. Errors name
// the setting.
func Signer(account config.Account) (*auth.Signer, error) {
	key, err := os.ReadFile(account.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("account.private_key_file: %w", err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: account.Label, Audience: account.Audience}, key)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	return signer, nil
}
