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

// Properties keeps what callers want to keep, with a minigroup or for their own account.
type Properties interface {
	// SetProperty sets one property of a minigroup and returns all of them. It returns a *minigroup.Error of kind
	// PayloadTooLarge where they would grow too large.
	SetProperty(ctx context.Context, classID uuid.UUID, key string, value json.RawMessage) (json.RawMessage, error)
	// AccountProperties reads all properties of an account, nil where it has none.
	AccountProperties(ctx context.Context, account minigroup.Account) (json.RawMessage, error)
	// SetAccountProperty does for an account what SetProperty does for a minigroup.
	SetAccountProperty(ctx context.Context, account minigroup.Account, key string, value json.RawMessage) (json.RawMessage, error)
}

// readProperty answers GET of one property of a minigroup.
func (s *server) readProperty(c *gin.Context) error {
	m, err := s.find(c, byID, "read")
	if err != nil {
		return err
	}
	return replyProperty(c, m.Properties, minigroup.ClassPropertyNotFound)
}

// writeProperty answers PUT of one property of a minigroup.
func (s *server) writeProperty(c *gin.Context) error {
	key, value, err := readPropertyFrom(c)
	if err != nil {
		return err
	}
	m, err := s.find(c, byID, "update")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	properties, err := s.Properties.SetProperty(ctx, m.ID, key, value)
	if err != nil {
		return fmt.Errorf("set a property of minigroup %s: %w", m.ID, err)
	}
	return reply(c, http.StatusOK, properties)
}

// readAccountProperty answers GET of one property of the caller's account.
func (s *server) readAccountProperty(c *gin.Context) error {
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	properties, err := s.Properties.AccountProperties(ctx, minigroup.Account(accountOf(c)))
	if err != nil {
		return fmt.Errorf("read the properties of an account: %w", err)
	}
	return replyProperty(c, properties, minigroup.AccountPropertyNotFound)
}

// writeAccountProperty answers PUT of one property of the caller's account.
func (s *server) writeAccountProperty(c *gin.Context) error {
	key, value, err := readPropertyFrom(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), databaseWait)
	defer cancel()
	properties, err := s.Properties.SetAccountProperty(ctx, minigroup.Account(accountOf(c)), key, value)
	if err != nil {
		return fmt.Errorf("set a property of an account: %w", err)
	}
	return reply(c, http.StatusOK, properties)
}

// replyProperty answers with the property that the path names, or says by its own word that there is none.
func replyProperty(c *gin.Context, properties json.RawMessage, notFound minigroup.Kind) error {
	key, mistakes := propertyKey(c)
	if len(mistakes) > 0 {
		return minigroup.Errorf(notFound, "no property can have this key")
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

// readPropertyFrom reads from path and body which property is to become what.
func readPropertyFrom(c *gin.Context) (key string, value json.RawMessage, err error) {
	body, err := readBody(c)
	if err != nil {
		return "", nil, err
	}
	key, mistakes := propertyKey(c)
	value, err = decodeDocument(body, mistakes)
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

// pick takes those of the properties (a JSON object, or nil) that have one of the keys. It is never nil.
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
