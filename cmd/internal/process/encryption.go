package process

import (
	"fmt"

	"minigroups/codec"
	"minigroups/config"
)

// NewCodec returns the codec of everything in Temporal. It reads the encryption keys of the settings.
func NewCodec(cfg config.Temporal) (*codec.Codec, error) {
	var keys []codec.Key
	for i, file := range cfg.EncryptionKeyFiles {
		key, err := codec.ReadKey(config.EncryptionKeyID(file), file)
		if err != nil {
			return nil, fmt.Errorf("temporal.encryption_key_files[%d] (%s): %w", i, file, err)
		}
		keys = append(keys, key)
	}
	c, err := codec.New(keys, cfg.EncryptionKey)
	if err != nil {
		return nil, fmt.Errorf("temporal.encryption_key: %w", err)
	}
	return c, nil
}
