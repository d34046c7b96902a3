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
	// refreshInterval bounds how long a withdrawn key is still accepted while its URL can be reached.
	refreshInterval = 10 * time.Minute
	// unknownKeyInterval is the minimum time between fetches that tokens with unknown keys cause.
	unknownKeyInterval = 10 * time.Second
	fetchTimeout       = 5 * time.Second
	// sizeLimit is the maximum size of a key set in bytes. Ten keys take about 5 KiB.
	sizeLimit = 256 << 10
)

// Set holds the keys behind one URL. It is safe for concurrent use.
type Set struct {
	cache *cache
	// fetcher wraps cache: reading a key that is not in the cache fetches the set.
	fetcher jwkset.Storage
	limit   *rate.Limiter
	fetches singleflight.Group
}

// cache holds the keys fetched last, and whether the last fetch failed.
type cache struct {
	*jwkset.MemoryJWKSet
	stale     atomic.Bool
	onFetched func(error)
}

// KeyReplaceAll replaces all keys. The library calls it after every successful fetch.
func (c *cache) KeyReplaceAll(ctx context.Context, keys []jwkset.JWK) error {
	c.stale.Store(false)
	c.onFetched(nil)
	return c.MemoryJWKSet.KeyReplaceAll(ctx, keys)
}

// New returns a Set after its first fetch, which takes at most 5 s, and then fetches every 10 minutes until ctx ends.
// onFetched is called after every fetch, with nil or its error; a failed first fetch is not an error of New. New
// returns an error only if url is invalid.
func New(ctx context.Context, url string, transport http.RoundTripper, onFetched func(error)) (*Set, error) {
	s := &Set{
		cache: &cache{MemoryJWKSet: jwkset.NewMemoryStorage(), onFetched: onFetched},
		limit: rate.NewLimiter(rate.Every(unknownKeyInterval), 1),
	}
	stored, err := jwkset.NewStorageFromHTTP(url, jwkset.HTTPClientStorageOptions{
		Client: &http.Client{
			Transport:     sizeLimited{transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Ctx:                       ctx,
		HTTPTimeout:               fetchTimeout,
		NoErrorReturnFirstHTTPReq: true,
		RefreshErrorHandler: func(_ context.Context, err error) {
			s.cache.stale.Store(true)
			onFetched(err)
		},
		RefreshInterval: refreshInterval,
		Storage:         s.cache,
	})
	if err != nil {
		return nil, err
	}
	s.fetcher, err = jwkset.NewHTTPClient(jwkset.HTTPClientOptions{
		HTTPURLs:          map[string]jwkset.Storage{url: stored},
		RefreshUnknownKID: rate.NewLimiter(rate.Inf, 0), // Set.limit bounds these fetches
	})
	return s, err
}

// Lookup returns the public keys with this key id that may sign with this algorithm; with an empty kid, all keys for
// the algorithm. If it has none, it fetches the set, unless a lookup has done so within the last 10 s. It returns an
// error if it has no such key and the last fetch failed, because the key may be one that has not been fetched yet.
func (s *Set) Lookup(ctx context.Context, kid, algorithm string) ([]any, error) {
	keys, err := s.find(ctx, kid, algorithm)
	if len(keys) > 0 || err != nil {
		return keys, err
	}
	if err := s.fetch(ctx, kid); err != nil {
		return nil, err
	}
	keys, err = s.find(ctx, kid, algorithm)
	if len(keys) == 0 && err == nil && s.cache.stale.Load() {
		return nil, errors.New("the last fetch of the keys failed")
	}
	return keys, err
}

func (s *Set) find(ctx context.Context, kid, algorithm string) (found []any, err error) {
	all, err := s.cache.KeyReadAll(ctx)
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

// fetch fetches the set unless it did so within unknownKeyInterval. Concurrent callers share one fetch. A caller whose
// ctx ends returns early and does not cancel the fetch.
func (s *Set) fetch(ctx context.Context, kid string) error {
	fetched := s.fetches.DoChan("", func() (any, error) {
		if !s.limit.Allow() {
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
		defer cancel()
		_, err := s.fetcher.KeyRead(ctx, kid)
		if errors.Is(err, jwkset.ErrKeyNotFound) {
			return nil, nil // the caller reads the outcome from the cache
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

// sizeLimited fails replies above sizeLimit, because the library reads a reply to its end.
type sizeLimited struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (l sizeLimited) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, sizeLimit)
	return resp, nil
}
