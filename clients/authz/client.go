package authz

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"minigroups/clients/rest"
)

// replyLimit is far more than the names of all actions.
const replyLimit = 64 << 10

// Client asks the service of one tenant. It is safe for concurrent use.
type Client struct {
	// URI is where questions are posted to.
	URI string
	// Namespace is this service's account id, as the tenant knows it.
	Namespace string
	Transport http.RoundTripper
	// Token gives the bearer token of a question.
	Token func() (string, error)
}

// body is a question on the wire.
type body struct {
	Subject subject `json:"subject"`
	Object  object  `json:"object"`
	Action  string  `json:"action"`
}

type subject struct {
	Namespace string `json:"namespace"`
	Value     string `json:"value"`
}

type object struct {
	Namespace string   `json:"namespace"`
	Value     []string `json:"value"`
}

// Allows asks once whether the account label.audience may do action to object, and follows no redirect. It returns an
// error, which shows nothing of the reply, where no array of texts came back before ctx ended.
func (c Client) Allows(ctx context.Context, label, audience string, value []string, action string) (bool, error) {
	data, err := json.Marshal(body{subject{audience, label}, object{c.Namespace, value}, action})
	if err != nil {
		return false, fmt.Errorf("encode question: %w", err)
	}
	token, err := c.Token()
	if err != nil {
		return false, fmt.Errorf("get service token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URI, bytes.NewReader(data))
	if err != nil {
		return false, fmt.Errorf("make question: %w", err)
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	reply, err := c.send(req)
	if err != nil {
		// An error of net/http quotes what it could not read.
		return false, errors.New(rest.Client{Secrets: []string{token}}.Sanitize(err.Error()))
	}
	return contains(reply, action)
}

func (c Client) send(req *http.Request) ([]byte, error) {
	// Not by an http.Client: that would follow redirects.
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply, err := rest.ReadReply(resp, replyLimit)
	if err != nil {
		return nil, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return reply, nil
}

// contains looks for action in an array of texts. A null, as the array or in it, is no text.
func contains(reply []byte, action string) (bool, error) {
	var actions []*string
	if err := json.Unmarshal(reply, &actions); err != nil || actions == nil {
		return false, errors.New("read reply: it is no array of texts")
	}
	found := false
	for _, name := range actions {
		if name == nil {
			return false, errors.New("read reply: it is no array of texts")
		}
		found = found || *name == action
	}
	return found, nil
}
