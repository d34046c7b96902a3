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

// rememberedAccounts bounds the memory of a writeLimit; of more accounts the least active starts anew.
const rememberedAccounts = 10_000

// writeLimit is how much each account may write, as this process counts it: a bucket of tokens that a minute fills.
type writeLimit struct {
	perMinute int
	buckets   *lru.Cache[auth.Account, *rate.Limiter]
}

func newWriteLimit(perMinute int) *writeLimit {
	buckets, err := lru.New[auth.Account, *rate.Limiter](rememberedAccounts)
	if err != nil {
		panic(err) // only for a size below 1
	}
	return &writeLimit{perMinute, buckets}
}

// take takes a token of the account's, or returns in how long there will be one.
func (l *writeLimit) take(account auth.Account, now time.Time) time.Duration {
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

// limitWrites refuses what an account writes beyond its limit.
func (s *server) limitWrites(perMinute int) gin.HandlerFunc {
	if perMinute <= 0 {
		return func(*gin.Context) {}
	}
	limit := newWriteLimit(perMinute)
	return func(c *gin.Context) {
		if c.Request.Method == http.MethodGet || c.Request.Method == http.MethodHead {
			return
		}
		if wait := limit.take(accountOf(c), time.Now()); wait > 0 {
			err := minigroup.Errorf(minigroup.TooManyRequests, "an account may send %d writes a minute", perMinute)
			err.RetryAfter = wait
			s.fail(c, err)
		}
	}
}
