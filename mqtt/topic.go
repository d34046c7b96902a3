package mqtt

import (
	"strings"
	"unicode/utf8"
)

// topicOf returns the topic on which an account publishes the events of an audience.
func topicOf(account, audience string) string {
	return "apps/" + account + "/api/v1/audiences/" + audience + "/events"
}

// splitTopic returns the account and the audience of a topic of that form, and false for any other topic.
func splitTopic(topic string) (account, audience string, ok bool) {
	levels := strings.Split(topic, "/")
	if len(levels) != 7 {
		return "", "", false
	}
	account, audience = levels[1], levels[5]
	return account, audience, isLevel(account) && isLevel(audience) && topic == topicOf(account, audience)
}

// filters returns the topic filters to subscribe to.
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

// isLevel reports whether text is valid as one level of a topic.
func isLevel(text string) bool {
	return text != "" && len(text) <= 4096 && utf8.ValidString(text) && !strings.ContainsAny(text, "/+#\x00")
}
