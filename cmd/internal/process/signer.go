package process

import (
	"fmt"
	"os"

	"minigroups/auth"
	"minigroups/config"
)

// Signer returns what signs the tokens of this service.
func Signer(a config.Account) (*auth.Signer, error) {
	key, err := os.ReadFile(a.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("account.private_key_file: %w", err)
	}
	signer, err := auth.NewSigner(auth.Account{Label: a.Label, Audience: a.Audience}, key)
	if err != nil {
		return nil, fmt.Errorf("account: %w", err)
	}
	return signer, nil
}
