package httpapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

// waitFor is how long this request waits for its saga: what its Prefer header asks for (RFC 7240: wait=N in seconds, or
// respond-async for not at all), else the configured time. What was honoured is told in Preference-Applied.
func (s *server) waitFor(c *gin.Context) time.Duration {
	preferences := parsePrefer(c.Request.Header.Values("Prefer"))
	wait, applied := s.Wait, []string{}
	if _, ok := preferences["respond-async"]; ok {
		wait, applied = 0, append(applied, "respond-async")
	}
	// Both together mean: answer at once after that wait.
	if n, err := strconv.ParseUint(preferences["wait"], 10, 31); err == nil {
		wait = min(time.Duration(n)*time.Second, s.MaxWait)
		applied = append(applied, "wait="+strconv.Itoa(int(wait/time.Second)))
	}
	if len(applied) > 0 {
		c.Header("Preference-Applied", strings.Join(applied, ", "))
	}
	return wait
}

// parsePrefer reads the headers' preferences; the first of a name counts, parameters are left out.
func parsePrefer(headers []string) map[string]string {
	preferences := map[string]string{}
	for _, preference := range elements(headers) {
		name, value, _ := strings.Cut(splitOutsideQuotes(preference, ';')[0], "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := preferences[name]; !twice {
			preferences[name] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return preferences
}
