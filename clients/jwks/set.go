package jwks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"minigroups/clients/rest"
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

// Options describe a Set.
type Options struct {
	URL       string
	Transport http.RoundTripper
	// Check returns an error unless a public key may be used for an algorithm.
	Check func(key any, algorithm string) error
	// OnFetched is called after every fetch, one call at a time.
	OnFetched func(Fetch)
}

// Fetch is the outcome of one fetch.
type Fetch struct {
	// Err is why the fetch failed; nil if it did not. The keys fetched before stay.
	Err error
	// Keys is the number of keys that can be used now.
	Keys int
	// Skipped is the number of keys of the set that cannot be used. Reasons say why, of the first ten.
	Skipped int
	Reasons []string
	// Changed is true if the set that was read before, if any, had other skipped keys.
	Changed bool
}

// Set holds the keys behind one URL. It is safe for concurrent use.
type Set struct {
	Options

	limit   *rate.Limiter
	fetches singleflight.Group

	fetching sync.Mutex // held during a fetch
	read     keySet     // the set that was read last; protected by fetching

	mu     sync.Mutex
	keys   []key // replaced, never changed
	failed bool  // whether the last fetch failed
}

// New returns a Set after its first fetch, which takes at most 5 s, and then fetches every 10 minutes until ctx ends. A
// failed first fetch is not an error of New. New returns an error only if the URL is invalid.
func New(ctx context.Context, o Options) (*Set, error) {
	s := &Set{Options: o, limit: rate.NewLimiter(rate.Every(unknownKeyInterval), 1)}
	if _, err := s.request(ctx); err != nil {
		return nil, err
	}
	s.fetch(ctx)
	go func() {
		tick := time.NewTicker(refreshInterval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.fetch(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
	return s, nil
}

// Lookup returns the public keys for this algorithm that may have signed a token with this key id: those with this id
// or, without any, those that have no id. With an empty kid, it returns all keys for the algorithm. If a key with this
// id may have been published since, it first fetches the set, unless a lookup has done so within the last 10 s. It
// returns an error if it has no such key and the last fetch failed, because the key may be one that has not been
// fetched yet.
func (s *Set) Lookup(ctx context.Context, kid, algorithm string) ([]any, error) {
	keys, _ := s.current()
	found, sure := find(keys, kid, algorithm)
	if sure {
		return found, nil
	}
	if err := s.fetchUnknown(ctx); err != nil {
		return nil, err
	}
	keys, failed := s.current()
	if found, _ = find(keys, kid, algorithm); len(found) == 0 && failed {
		return nil, errors.New("the last fetch of the keys failed")
	}
	return found, nil
}

// find returns the keys that Lookup returns. sure is false if the set may have got another one since.
func find(keys []key, kid, algorithm string) (found []any, sure bool) {
	var unnamed []any
	named := false
	for _, k := range keys {
		named = named || k.id != ""
		switch {
		case k.algorithm != algorithm:
		case kid == "" || k.id == kid:
			found = append(found, k.public)
		case k.id == "":
			unnamed = append(unnamed, k.public)
		}
	}
	if len(found) > 0 {
		return found, true
	}
	return unnamed, len(unnamed) > 0 && !named
}

func (s *Set) current() (keys []key, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys, s.failed
}

// fetchUnknown fetches the set unless it did so within unknownKeyInterval. Concurrent callers share one fetch. A caller
// whose ctx ends returns early and does not cancel the fetch.
func (s *Set) fetchUnknown(ctx context.Context) error {
	fetched := s.fetches.DoChan("", func() (any, error) {
		if s.limit.Allow() {
			s.fetch(context.WithoutCancel(ctx))
		}
		return nil, nil
	})
	select {
	case <-fetched:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetch fetches the set and reports the outcome.
func (s *Set) fetch(ctx context.Context) {
	s.fetching.Lock()
	defer s.fetching.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	body, err := s.reply(ctx)
	outcome := Fetch{Skipped: s.read.skipped, Reasons: s.read.reasons}
	if err == nil {
		var set keySet
		set, err = parseSet(body, s.Check)
		outcome.Changed = set.skipped != s.read.skipped || !slices.Equal(set.reasons, s.read.reasons)
		outcome.Skipped, outcome.Reasons = set.skipped, set.reasons
		s.read = set
	}
	if err != nil {
		// Errors of net/http quote what they could not parse.
		outcome.Err = errors.New(rest.Client{}.Sanitize(err.Error()))
	}
	s.mu.Lock()
	if s.failed = err != nil; !s.failed {
		s.keys = s.read.keys
	}
	outcome.Keys = len(s.keys)
	s.mu.Unlock()
	s.OnFetched(outcome)
}

func (s *Set) request(ctx context.Context) (*http.Request, error) {
	return http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
}

// reply returns the body of a 200. It follows no redirect.
func (s *Set) reply(ctx context.Context) ([]byte, error) {
	req, err := s.request(ctx)
	if err != nil {
		return nil, err
	}
	resp, err := s.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return rest.ReadReply(resp, sizeLimit)
}
