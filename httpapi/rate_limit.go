package httpapi

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"minigroups/auth"
	"minigroups/minigroup"
)

// rateLimitedAccounts bounds the memory of a rateLimiter. Beyond it, the least recently active account starts with a
// full bucket again.
const rateLimitedAccounts = 10_000

// rateLimiter limits the writes of each account by a token bucket that fills in a minute. It counts in this process
// only.
type rateLimiter struct {
	perMinute int
	buckets   *lru.Cache[auth.Account, *rate.Limiter]
}

func newRateLimiter(perMinute int) *rateLimiter {
	buckets, err := lru.New[auth.Account, *rate.Limiter](rateLimitedAccounts)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &rateLimiter{perMinute, buckets}
}

// take takes a token from the account's bucket and returns 0. If the bucket is empty, it takes nothing and returns how
// long the next token takes.
func (l *rateLimiter) take(account auth.Account, now time.Time) time.Duration {
	bucket, known := l.buckets.Get(account)
	if !known {
		bucket = rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)
		if other, raced, _ := l.buckets.PeekOrAdd(account, bucket); raced {
			bucket = other
		}
	}
	token := bucket.ReserveN(now, 1)
	wait := token.DelayFrom(now)
	if wait > 0 {
		token.CancelAt(now)
	}
	return wait
}

// limitRate returns a middleware that refuses the writes of an account above perMinute; 0 is no limit.
func (s *server) limitRate(perMinute int) gin.HandlerFunc {
	if perMinute <= 0 {
		return func(*gin.Context) {}
	}
	limiter := newRateLimiter(perMinute)
	return func(c *gin.Context) {
		if c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
			return
		}
		if wait := limiter.take(accountOf(c), time.Now()); wait > 0 {
			err := minigroup.Errorf(minigroup.TooManyRequests, "an account may send %d writes a minute", perMinute)
			err.RetryAfter = wait
			s.fail(c, err)
		}
	}
}
