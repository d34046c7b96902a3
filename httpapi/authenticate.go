package httpapi

import (
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"minigroups/auth"
	"minigroups/minigroup"
)

// authenticate verifies the token of a request and stores its account.
func (s *server) authenticate(c *gin.Context) {
	account, err := s.account(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Set(accountKey, account)
}

func (s *server) account(c *gin.Context) (auth.Account, error) {
	token, err := tokenOf(c)
	if err != nil {
		return auth.Account{}, err
	}
	return s.Verifier.Verify(c.Request.Context(), token, time.Now())
}

// tokenOf returns the token of the Authorization header or, without one, of the query: pages cannot always set headers.
func tokenOf(c *gin.Context) (string, error) {
	header := c.GetHeader("Authorization")
	if header == "" {
		if token := c.Query("access_token"); token != "" {
			return token, nil
		}
		return "", minigroup.Errorf(minigroup.NoAuthenticationToken, "the header Authorization: Bearer <token> is missing")
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", minigroup.Errorf(minigroup.InvalidAuthentication, "the header must be Authorization: Bearer <token>")
	}
	return strings.TrimSpace(token), nil
}

// accountOf returns the account of an authenticated request.
func accountOf(c *gin.Context) auth.Account {
	account, _ := c.Value(accountKey).(auth.Account)
	return account
}

// challenge returns the WWW-Authenticate header (RFC 6750), with an error if the request has an invalid token.
func challenge(kind minigroup.Kind) string {
	if kind == minigroup.InvalidAuthentication {
		return `Bearer realm="minigroups", error="invalid_token"`
	}
	return `Bearer realm="minigroups"`
}
