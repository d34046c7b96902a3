package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// waitFor returns how long this request waits for its saga: the wait of its Prefer header (RFC 7240: wait=N in seconds,
// or respond-async for 0), else the configured wait. It lists the applied preferences in Preference-Applied.
func (s *server) waitFor(c *gin.Context) time.Duration {
	preferences := parsePrefer(c.Request.Header.Values("Prefer"))
	wait, applied := s.Wait, []string{}
	if _, ok := preferences["respond-async"]; ok {
		wait, applied = 0, append(applied, "respond-async")
	}
	// With both, wait takes precedence: the response is asynchronous after that wait.
	if preferred, ok := s.preferredWait(preferences); ok {
		wait, applied = preferred, append(applied, appliedWait(preferred))
	}
	if len(applied) > 0 {
		c.Header("Preference-Applied", strings.Join(applied, ", "))
	}
	return wait
}

// preferredWait returns the preference wait, at most MaxWait; ok is false if there is none, or an invalid one.
func (s *server) preferredWait(preferences map[string]string) (wait time.Duration, ok bool) {
	n, err := strconv.ParseUint(preferences["wait"], 10, 31)
	return min(time.Duration(n)*time.Second, s.MaxWait), err == nil
}

func appliedWait(wait time.Duration) string { return "wait=" + strconv.Itoa(int(wait/time.Second)) }

// parsePrefer returns the preferences by name, without parameters. The first of duplicate preferences counts.
func parsePrefer(headers []string) map[string]string {
	preferences := map[string]string{}
	for _, preference := range elements(headers) {
		name, value, _ := strings.Cut(splitOutsideQuotes(preference, ';')[0], "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, duplicate := preferences[name]; !duplicate {
			preferences[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return preferences
}
