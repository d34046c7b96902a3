package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
)

// anyToken matches every token, because those for event and conference are made for each request.
var anyToken = regexp.MustCompile(`eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}`)

// findSecrets returns the names of the secrets that a text contains.
func findSecrets(text string, secrets map[string]string) (found []string) {
	for name, secret := range secrets {
		if strings.Contains(text, secret) {
			found = append(found, name)
		}
	}
	if anyToken.MatchString(text) {
		found = append(found, "a token")
	}
	return found
}

func TestNoOutputContainsASecret(t *testing.T) {
	c, refused := newClass(t), newClass(t)
	secrets := secretsOf(t, c)
	outputs := provokeErrors(t, c, refused)
	logs, err := filepath.Glob(filepath.Join(sut.dir, "*.log"))
	if err != nil || len(logs) < 6 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	for _, log := range logs {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		outputs[filepath.Base(log)] = string(text)
	}
	for _, address := range []string{sut.cfg.API.MetricsListen, sut.cfg.Worker.MetricsListen} {
		outputs["metrics of "+address] = fetch(t, "http://"+address+"/metrics")
	}
	for _, of := range []*class{c, refused} {
		history := historyOf(t, of)
		if !strings.Contains(history, of.scope) {
			t.Error("histories cannot be read")
		}
		outputs["history of "+of.scope] = history
		outputs["details of "+of.scope] = of.currentDetails()
	}
	for where, text := range outputs {
		if text == "" && !strings.HasSuffix(where, ".log") {
			t.Errorf("%s is empty", where)
		}
		for _, name := range findSecrets(text, secrets) {
			t.Errorf("%s is in %s", name, where)
		}
	}

	t.Run("findSecrets finds each secret", func(t *testing.T) {
		for name, secret := range secrets {
			if len(findSecrets("text "+secret+".", secrets)) == 0 {
				t.Errorf("%s is not found", name)
			}
		}
	})
}

// secretsOf returns the secrets of the system, and that of the class's room on the gateway, by name.
func secretsOf(t *testing.T, c *class) map[string]string {
	t.Helper()
	c.post().want(t, http.StatusCreated)
	mac := hmac.New(sha256.New, []byte(janusRoomKey))
	mac.Write([]byte(c.reservationID().String()))
	key, err := os.ReadFile(sut.cfg.Account.PrivateKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(key)
	lines := strings.Split(string(key), "\n")
	return map[string]string{
		"the private key":            lines[1],
		"the private key's bytes":    string(block.Bytes),
		"the database's password":    databasePassword,
		"the gateways' admin key":    janusAdminKey,
		"the gateways' admin secret": janusAdminSecret,
		"the key of rooms":           janusRoomKey,
		"the secret of a room":       hex.EncodeToString(mac.Sum(nil)),
		"a caller's token":           sut.token,
		"its signature":              sut.token[strings.LastIndex(sut.token, ".")+1:],
	}
}

// provokeErrors provokes errors that processes log, and returns the answers of the API.
func provokeErrors(t *testing.T, c, refused *class) map[string]string {
	t.Helper()
	answers := map[string]string{}
	add := func(r reply) { answers[fmt.Sprintf("answer %d, %d", len(answers), r.code)] = r.text }
	restore := c.setFault(sut.conference, readFails)
	add(c.put(window(c.start+60, c.start+120), "Prefer", "wait=1"))
	restore()
	refused.setFault(sut.conference, createRefused)
	add(refused.post().want(t, http.StatusUnprocessableEntity))
	for _, authorization := range []string{
		"Bearer " + sut.token[:len(sut.token)-2], "Basic " + sut.token, sut.token, "Bearer " + strings.ToUpper(sut.token),
	} {
		add(request(t, http.MethodGet, c.path(), nil, "Authorization", authorization).want(t, http.StatusUnauthorized))
	}
	// The answer to this one repeats the path, which only its sender receives.
	request(t, http.MethodGet, "/nowhere/"+sut.token, nil).want(t, http.StatusNotFound)
	add(request(t, http.MethodGet, c.path()+"?access_token="+sut.token, nil))
	add(request(t, http.MethodPost, "/api/v1/minigroups", `{"scope":`+sut.token+`}`).want(t, http.StatusBadRequest))

	for name, address := range map[string]string{"no server": "127.0.0.1:1", "no address": "127.0.0.1:x"} {
		database := "postgres://me:" + databasePassword + "@" + address + "/x"
		program, err := sut.program(t.Context(), "migrate, "+name, "migrate", sut.configFile,
			"DATABASE_URL="+database, "MINIGROUPS_DATABASE__URL="+database)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-program.Done():
		case <-t.Context().Done():
		}
		if program.Err() == nil {
			t.Errorf("%s: migrate succeeded", name)
		}
	}
	return answers
}

// historyOf returns all that Temporal keeps of the latest run of a class: inputs, results, memos, search attributes,
// summaries.
func historyOf(t *testing.T, c *class) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	described, err := sut.client.DescribeWorkflowExecution(ctx, c.workflowID(), "")
	if err != nil {
		t.Fatal(err)
	}
	messages := []proto.Message{described}
	for _, event := range c.events("") {
		messages = append(messages, event)
	}
	var text []byte // the encoding keeps texts and payloads as they are
	for _, message := range messages {
		if text, err = (proto.MarshalOptions{}).MarshalAppend(text, message); err != nil {
			t.Fatal(err)
		}
	}
	return string(text)
}
