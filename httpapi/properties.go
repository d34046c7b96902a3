package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"minigroups/minigroup"
)

// Properties stores the properties of minigroups and accounts.
type Properties interface {
	// SetProperty sets one property of a minigroup and returns all its properties. It returns a *minigroup.Error of kind
	// PayloadTooLarge if they would exceed their size limit.
	SetProperty(ctx context.Context, classID uuid.UUID, key string, value json.RawMessage) (json.RawMessage, error)
	// AccountProperties returns all properties of an account, or nil if it has none.
	AccountProperties(ctx context.Context, account minigroup.Account) (json.RawMessage, error)
	// SetAccountProperty sets one property of an account, as SetProperty does for a minigroup.
	SetAccountProperty(
		ctx context.Context, account minigroup.Account, key string, value json.RawMessage,
	) (json.RawMessage, error)
}

// readProperty handles GET of one property of a minigroup.
func (s *server) readProperty(c *gin.Context) error {
	m, err := s.byID(c, actionRead, s.Minigroups.Read)
	if err != nil {
		return err
	}
	return replyProperty(c, m.Properties, minigroup.ClassPropertyNotFound)
}

// writeProperty handles PUT of one property of a minigroup.
func (s *server) writeProperty(c *gin.Context) error {
	key, value, err := decodeProperty(c)
	if err != nil {
		return err
	}
	m, err := s.byID(c, "update", s.Minigroups.Read)
	if err != nil {
		return err
	}
	return s.admit(m.Audience, func() error {
		ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
		defer cancel()
		properties, err := s.Properties.SetProperty(ctx, m.ID, key, value)
		if err != nil {
			return fmt.Errorf("set a property of minigroup %s: %w", m.ID, err)
		}
		return reply(c, http.StatusOK, properties)
	})
}

// readAccountProperty handles GET of one property of the caller's account.
func (s *server) readAccountProperty(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
	defer cancel()
	properties, err := s.Properties.AccountProperties(ctx, minigroup.Account(accountOf(c)))
	if err != nil {
		return fmt.Errorf("read the properties of an account: %w", err)
	}
	return replyProperty(c, properties, minigroup.AccountPropertyNotFound)
}

// writeAccountProperty handles PUT of one property of the caller's account. It uses the capacity of the account's
// audience.
func (s *server) writeAccountProperty(c *gin.Context) error {
	key, value, err := decodeProperty(c)
	if err != nil {
		return err
	}
	account := minigroup.Account(accountOf(c))
	return s.admit(account.Audience, func() error {
		ctx, cancel := context.WithTimeout(c.Request.Context(), databaseTimeout)
		defer cancel()
		properties, err := s.Properties.SetAccountProperty(ctx, account, key, value)
		if err != nil {
			return fmt.Errorf("set a property of an account: %w", err)
		}
		return reply(c, http.StatusOK, properties)
	})
}

// replyProperty replies with the property that the path names. It returns an error of kind notFound if there is none.
func replyProperty(c *gin.Context, properties json.RawMessage, notFound minigroup.Kind) error {
	key, errs := propertyKey(c)
	if len(errs) > 0 {
		return minigroup.Errorf(notFound, "the key of the property is invalid")
	}
	found, err := pick(properties, []string{key})
	if err != nil {
		return err
	}
	value, ok := found[key]
	if !ok {
		return minigroup.Errorf(notFound, "there is no property with this key")
	}
	return reply(c, http.StatusOK, value)
}

// decodeProperty returns the key in the path and the value in the body. Its error lists what is wrong with either.
func decodeProperty(c *gin.Context) (key string, value json.RawMessage, err error) {
	body, err := readBody(c)
	if err != nil {
		return "", nil, err
	}
	key, errs := propertyKey(c)
	value, err = decodeDocument(body, errs)
	return key, value, err
}

func propertyKey(c *gin.Context) (string, []minigroup.FieldError) {
	const field = "property_id"
	key, err := url.PathUnescape(c.Param(field))
	if err != nil {
		return "", []minigroup.FieldError{{Field: field, Detail: "must be percent-encoded"}}
	}
	return key, minigroup.CheckName(field, key)
}

// pick returns the properties (a JSON object, or nil) that have one of the keys. The map is never nil.
func pick(properties json.RawMessage, keys []string) (map[string]json.RawMessage, error) {
	picked := map[string]json.RawMessage{}
	if properties == nil || len(keys) == 0 {
		return picked, nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(properties, &all); err != nil {
		return nil, fmt.Errorf("read properties: %w", err)
	}
	for _, key := range keys {
		if value, ok := all[key]; ok {
			picked[key] = value
		}
	}
	return picked, nil
}
