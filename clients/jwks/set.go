package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

const (
	// refreshEvery is how long a key is used at most after it was withdrawn, while its URL can be reached.
	refreshEvery = 10 * time.Minute
	// unknownEvery is how often tokens that name an unknown key can make us look for new ones.
	unknownEvery = 10 * time.Second
	fetchWait    = 5 * time.Second
	// sizeLimit is far more than the keys of any issuer take.
	sizeLimit = 256 << 10
)

// Set are the keys behind one URL. It is safe for concurrent use.
type Set struct {
	kept *shelf
	// kept and, by the library's storage around it, fetched when a key is asked for that is not there.
	fetching jwkset.Storage
	limit    *rate.Limiter
	flights  singleflight.Group
}

// shelf keeps what was fetched last, and knows whether the last fetch has failed.
type shelf struct {
	*jwkset.MemoryJWKSet
	stale   atomic.Bool
	fetched func(error)
}

// KeyReplaceAll is how the library stores what it has fetched.
func (s *shelf) KeyReplaceAll(ctx context.Context, keys []jwkset.JWK) error {
	s.stale.Store(false)
	s.fetched(nil)
	return s.MemoryJWKSet.KeyReplaceAll(ctx, keys)
}

// New fetches the keys, for 5 s at most, and goes on fetching them every 10 minutes until ctx ends. That they cannot be had
// is no error: fetched is told of it, now and later, and with nil of each time that they were had. The error is that of a URL that is none.
func New(ctx context.Context, url string, transport http.RoundTripper, fetched func(error)) (*Set, error) {
	s := &Set{kept: &shelf{MemoryJWKSet: jwkset.NewMemoryStorage(), fetched: fetched}, limit: rate.NewLimiter(rate.Every(unknownEvery), 1)}
	stored, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Client: &http.Client{
			Transport:     limited{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Ctx:                       ctx,
		HTTPTimeout:               fetchWait,
		NoErrorReturnFirstHTTPReq: true,
		RefreshErrorHandler: func(_ context.Context, err error) {
			s.kept.stale.Store(true)
			fetched(err)
		},
		RefreshInterval: refreshEvery,
		Storage:         s.kept,
	})
	if err != nil {
		return nil, err
	}
	s.fetching, err = jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{url: stored},
		RefreshUnknownKID: rate.NewLimiter(rate.Inf, 0), // ours decides
	})
	return s, err
}

// Lookup returns the public keys of this name that may sign with this algorithm, as far as the set says; all those for the
// algorithm where kid is empty. Where there is none, new ones are looked for at the URL, at most every 10 s; an error means
// that the URL is out of reach, and that the key may be one that we do not have yet.
func (s *Set) Lookup(ctx context.Context, kid, algorithm string) ([]any, error) {
	keys, err := s.find(ctx, kid, algorithm)
	if len(keys) > 0 || err != nil {
		return keys, err
	}
	if err := s.fetch(ctx, kid); err != nil {
		return nil, err
	}
	keys, err = s.find(ctx, kid, algorithm)
	if len(keys) == 0 && err == nil && s.kept.stale.Load() {
		return nil, errors.New("the keys were out of reach when they were last asked for")
	}
	return keys, err
}

func (s *Set) find(ctx context.Context, kid, algorithm string) (found []any, err error) {
	all, err := s.kept.KeyReadAll(ctx)
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	for _, key := range all {
		about := key.Marshal()
		signs := about.USE == "" || about.USE == jwkset.UseSig
		if signs && (about.ALG == "" || about.ALG.String() == algorithm) && (kid == "" || about.KID == kid) {
			found = append(found, key.Key())
		}
	}
	return found, nil
}

// fetch looks for new keys unless that was done a moment ago. Whoever comes meanwhile waits for the same fetch; one who
// leaves, as ctx ends, does not end it.
func (s *Set) fetch(ctx context.Context, kid string) error {
	fetched := s.flights.DoChan("", func() (any, error) {
		if !s.limit.Allow() {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchWait)
		defer cancel()
		_, err := s.fetching.KeyRead(ctx, kid)
		if errors.Is(err, jwkset.ErrKeyNotFound) {
			return nil, nil // what came of it is seen on the shelf
		}
		return nil, err
	})
	select {
	case result := <-fetched:
		return result.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// limited cuts replies that are too large, as the library reads them whole.
type limited struct{ http.RoundTripper }

// RoundTrip makes it an http.RoundTripper.
func (l limited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, sizeLimit)
	return resp, nil
}
