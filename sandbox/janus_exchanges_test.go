package sandbox_test

import (
	"fmt"
	"slices"
)

// janusExchange is a body for POST /admin: raw, or an envelope with the request.
type janusExchange struct{ raw, request string }

func envelope(request string) janusExchange { return janusExchange{request: request} }

func (e janusExchange) body() string {
	if e.request == "" {
		return e.raw
	}
	const envelope = `{"janus":"message_plugin","plugin":"janus.plugin.videoroom","transaction":"t1",` +
		`"admin_secret":%q,"request":%s}`
	return fmt.Sprintf(envelope, janusSecret, e.request)
}

// No scenario leaves a room that another one would list.
var janusScenarios = map[string][]janusExchange{
	"the envelope": {
		{raw: `{"janus":"ping","transaction":"x"}`},
		{raw: `{"janus":"PING","transaction":""}`},
		{raw: `{"janus":"info","transaction":"x"}`},
		{raw: `{"janus":"frob","transaction":"x","admin_secret":"admin-secret"}`},
		{raw: `{"janus":"frob","transaction":"x"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":5}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"wrong"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":5}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":"nope"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret","plugin":"janus.plugin.videoroom"}`},
		{raw: `{"janus":"message_plugin","transaction":"x","admin_secret":"admin-secret",` +
			`"plugin":"janus.plugin.videoroom","request":5}`},
		{raw: `{"janus":5,"transaction":"x"}`},
		{raw: `{"janus":"ping","transaction":5}`},
		{raw: `{"janus":"ping"}`},
		{raw: `{"transaction":"x"}`},
		{raw: `{}`},
		{raw: `[]`},
		{raw: `5`},
		{raw: `null`},
		{raw: `{bad`},
		{raw: `{"a":1} x`},
		{raw: `{"a":9223372036854775808}`},
	},
	"the plugin's request": {
		envelope(`{}`), envelope(`[]`), envelope(`{"request":5}`), envelope(`{"request":"frob"}`),
		envelope(`{"request":"join","room":"r"}`),
	},
	"create, twice, edit, destroy, twice": {
		envelope(`{"request":"CREATE","room":"r1","publishers":12,"is_private":true,"secret":"s","pin":"p",` +
			`"description":"d","admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"r1","publishers":13,"admin_key":"admin-key"}`),
		envelope(`{"request":"exists","room":"r1"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"list","admin_key":"wrong"}`),
		envelope(`{"request":"list","admin_key":5}`),
		envelope(`{"request":"list","admin_key":"admin-key"}`),
		envelope(`{"request":"listparticipants","room":"r1"}`),
		envelope(`{"request":"edit","room":"r1"}`),
		envelope(`{"request":"edit","room":"r1","secret":5}`),
		envelope(`{"request":"edit","room":"r1","secret":"wrong"}`),
		envelope(`{"request":"edit","room":"r1","secret":"s","new_publishers":20,"new_description":"d2",` +
			`"new_is_private":false,"new_secret":"s2"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"r1"}`),
		envelope(`{"request":"destroy","room":"r1","secret":5}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s"}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s2"}`),
		envelope(`{"request":"destroy","room":"r1","secret":"s2"}`),
		envelope(`{"request":"exists","room":"r1"}`),
	},
	"a room without a secret": {
		envelope(`{"request":"create","room":"open","admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"open","new_publishers":7,"new_description":"","new_secret":"","new_pin":""}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"open"}`),
	},
	"an empty secret is one": {
		envelope(`{"request":"create","room":"e","secret":"","description":"","pin":"","admin_key":"admin-key"}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"e"}`),
		envelope(`{"request":"destroy","room":"e","secret":""}`),
	},
	"the admin key": {
		envelope(`{"request":"create","room":"k"}`),
		envelope(`{"request":"create","room":"k","admin_key":5}`),
		envelope(`{"request":"create","room":"k","admin_key":"wrong"}`),
		envelope(`{"request":"create","room":"k","admin_key":"wrong","publishers":"12"}`),
		envelope(`{"request":"create","room":5}`),
	},
	"types": {
		envelope(`{"request":"create","room":null,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","publishers":null,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","is_private":"yes","admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","secret":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","pin":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","description":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"create","room":"t","permanent":5,"admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"nope","new_publishers":-1}`),
		envelope(`{"request":"edit","room":"nope","new_description":5}`),
		envelope(`{"request":"edit","room":"nope","new_is_private":5}`),
	},
	"no such room, and no room at all": {
		envelope(`{"request":"edit","room":"nope"}`), envelope(`{"request":"destroy","room":"nope"}`),
		envelope(`{"request":"exists","room":"nope"}`),
		envelope(`{"request":"listparticipants","room":"nope"}`), envelope(`{"request":"edit"}`),
		envelope(`{"request":"destroy"}`),
		envelope(`{"request":"exists"}`), envelope(`{"request":"listparticipants"}`), envelope(`{"request":"edit","room":5}`),
		envelope(`{"request":"destroy","room":5}`), envelope(`{"request":"exists","room":5}`),
		envelope(`{"request":"listparticipants","room":5}`),
	},
	"publishers": slices.Concat(
		publishers(`0`), publishers(`1`), publishers(`2147483647`), publishers(`-1`), publishers(`1.5`), publishers(`12.0`),
		publishers(`"12"`), publishers(`true`),
		publishers(`2147483648`), publishers(`4294967295`), publishers(`4294967296`), publishers(`4294967301`),
		publishers(`9223372036854775807`), publishers(`9223372036854775808`),
	),
}

// publishers creates a room with n publishers, and edits another to have n.
func publishers(n string) []janusExchange {
	return []janusExchange{
		envelope(`{"request":"create","room":"p","admin_key":"admin-key","publishers":` + n + `}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"p"}`),
		envelope(`{"request":"create","room":"p","admin_key":"admin-key"}`),
		envelope(`{"request":"edit","room":"p","new_publishers":` + n + `}`),
		envelope(`{"request":"list"}`),
		envelope(`{"request":"destroy","room":"p"}`),
	}
}
