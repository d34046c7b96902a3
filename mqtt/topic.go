package mqtt

import (
	"strings"
	"unicode/utf8"
)

// topicOf is where an account announces what concerns an audience as a whole.
func topicOf(account, audience string) string {
	return "apps/" + account + "/api/v1/audiences/" + audience + "/events"
}

// splitTopic finds the account and the audience in such a topic.
func splitTopic(topic string) (account, audience string, ok bool) {
	levels := strings.Split(topic, "/")
	if len(levels) != 7 {
		return "", "", false
	}
	account, audience = levels[1], levels[5]
	return account, audience, isLevel(account) && isLevel(audience) && topic == topicOf(account, audience)
}

// filters are what a worker subscribes to.
func (o Options) filters() (filters []string) {
	audiences := o.Audiences
	if len(audiences) == 0 {
		audiences = []string{"+"}
	}
	share := ""
	if o.Group != "" {
		share = "$share/" + o.Group + "/"
	}
	for _, account := range []string{o.Event, o.Conference} {
		for _, audience := range audiences {
			filters = append(filters, share+topicOf(account, audience))
		}
	}
	return filters
}

// isLevel reports whether a text can stand between two slashes of a topic.
func isLevel(text string) bool {
	return text != "" && len(text) <= 4096 && utf8.ValidString(text) && !strings.ContainsAny(text, "/+#\x00")
}
