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

// replyLimit is the maximum size of a reply in bytes. The names of all actions take less than 1 KiB.
const replyLimit = 64 << 10

// Client calls the authorization service of one tenant. It is safe for concurrent use.
type Client struct {
	// URI is the complete address that requests are posted to.
	URI string
	// Namespace is this service's account id, as the tenant knows it.
	Namespace string
	Transport http.RoundTripper
	// Token returns the bearer token of a request.
	Token func() (string, error)
}

type request struct {
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

// Allows sends one request and reports whether the account label.audience may perform action on object. It follows no
// redirect. Only a 2xx reply allows, only a 2xx or a 403 denies. It returns an error if the status is another one, if
// the reply is not an array of strings, if a 403 has the action, or if ctx ends before a reply. The error contains
// neither the reply nor the token.
func (c Client) Allows(ctx context.Context, label, audience string, objectPath []string, action string) (bool, error) {
	body, err := json.Marshal(request{
		Subject: subject{Namespace: audience, Value: label},
		Object:  object{Namespace: c.Namespace, Value: objectPath},
		Action:  action,
	})
	if err != nil {
		return false, fmt.Errorf("encode request: %w", err)
	}
	token, err := c.Token()
	if err != nil {
		return false, fmt.Errorf("get service token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URI, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request: %w", err)
	}
	// net/http then sends the request again if a kept-alive connection breaks. An empty list of values is not sent.
	req.Header["Idempotency-Key"] = []string{}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	allowed, err := c.send(req, action)
	if err != nil {
		// Errors of net/http quote what they could not parse.
		return false, errors.New(rest.Client{Secrets: []string{token}}.Sanitize(err.Error()))
	}
	return allowed, nil
}

func (c Client) send(req *http.Request, action string) (bool, error) {
	// An http.Client would follow redirects.
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return false, fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	allowed, err := decide(resp, action)
	if err != nil {
		return false, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	return allowed, nil
}

// decide returns what a reply says. Errors of a service, or of a proxy before it, are no decision, whatever their body.
func decide(resp *http.Response, action string) (bool, error) {
	is2xx := resp.StatusCode/100 == 2
	if !is2xx && resp.StatusCode != http.StatusForbidden {
		return false, errors.New("only 2xx and 403 decide")
	}
	reply, err := rest.ReadReply(resp, replyLimit)
	if err != nil {
		return false, err
	}
	allowed, err := contains(reply, action)
	if allowed && !is2xx {
		return false, errors.New("the reply both allows and denies the action")
	}
	return allowed, err
}

// contains reports whether reply, an array of strings, contains action. null is not accepted as the array or in it.
func contains(reply []byte, action string) (bool, error) {
	var actions []*string
	if err := json.Unmarshal(reply, &actions); err != nil || actions == nil {
		return false, errors.New("read reply: not an array of strings")
	}
	found := false
	for _, name := range actions {
		if name == nil {
			return false, errors.New("read reply: not an array of strings")
		}
		found = found || *name == action
	}
	return found, nil
}
