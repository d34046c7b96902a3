package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// scriptFolder returns a copy of e2e/javascript with the packages that its package-lock.json pins.
var scriptFolder = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(sut.dir, "javascript")
	if err := os.CopyFS(dir, os.DirFS("javascript")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	npm := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline")
	npm.Dir, npm.Stdout, npm.Stderr = dir, os.Stderr, os.Stderr
	return dir, npm.Run()
})

// runScript runs a script of e2e/javascript on an input and decodes what it prints.
func runScript(t *testing.T, script string, input, output any) {
	t.Helper()
	dir, err := scriptFolder()
	if err != nil {
		t.Fatalf("npm ci: %v", err)
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var stderr bytes.Buffer
	node := exec.CommandContext(ctx, "node", script)
	node.Dir, node.Stdin, node.Stderr = dir, bytes.NewReader(text), &stderr
	node.WaitDelay = time.Second // a browser that outlives the script has its output
	printed, err := node.Output()
	if err != nil {
		t.Fatalf("node %s: %v: %s", script, err, &stderr)
	}
	if err := json.Unmarshal(printed, output); err != nil {
		t.Fatalf("node %s printed %s: %v", script, printed, err)
	}
}

func TestTheDocsPageCreatesAMinigroup(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	body, err := json.Marshal(c.body)
	if err != nil {
		t.Fatal(err)
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Status, Shown     string
		Hosts, Complaints []string
	}
	runScript(t, "docs.mjs", map[string]string{
		"browser": browser, "url": sut.api, "token": sut.token, "body": string(body),
	}, &seen)
	if !strings.HasPrefix(seen.Status, "201") || !strings.Contains(seen.Shown, c.id.String()) {
		t.Errorf("the page shows %s %s", seen.Status, seen.Shown)
	}
	if !slices.Equal(seen.Hosts, []string{hostOf(sut.api)}) {
		t.Errorf("the page talks to %v", seen.Hosts)
	}
	if len(seen.Complaints) > 0 {
		t.Errorf("the browser reports %v", seen.Complaints)
	}
	c.assertComplete(c.get().object)
}

func TestThePlatformsJavaScriptClientReadsAndUpdates(t *testing.T) {
	t.Parallel()
	c := newClass(t)
	before := c.post().want(t, http.StatusCreated)
	window := [2]int64{c.start + 60, c.start + 7200}
	var got struct {
		Read, Missing, Refused, Updated, Reread, NoProperty object
		ClassProperty                                       bool
		AccountProperty                                     struct{ Seen []string }
	}
	runScript(t, "client.mjs", map[string]any{
		"url": sut.api, "token": sut.token, "audience": "example.org", "scope": c.scope, "time": window,
	}, &got)
	if got.Read.ClassID != c.id || *got.Read.Time[0] != *before.Time[0] {
		t.Errorf("it read %+v", got.Read)
	}
	for want, thrown := range map[string]object{
		"class_not_found": got.Missing, "invalid_payload": got.Refused, "class_property_not_found": got.NoProperty,
	} {
		if thrown.Type != want {
			t.Errorf("it threw %+v, want %s", thrown, want)
		}
	}
	if !got.ClassProperty || !slices.Equal(got.AccountProperty.Seen, []string{c.scope}) {
		t.Errorf("it read the properties %v and %v", got.ClassProperty, got.AccountProperty)
	}
	properties := request(t, http.MethodGet, c.path()+"?class_keys[]=is_adult&account_keys[]=onboarding", nil)
	properties.want(t, http.StatusOK)
	for _, want := range []string{
		`"properties":{"is_adult":true}`, `"account_properties":{"onboarding":{"seen":["` + c.scope,
	} {
		if !strings.Contains(properties.text, want) {
			t.Errorf("the class has %s, want %s", properties.text, want)
		}
	}
	if got.Updated.Time[0] == nil || *got.Updated.Time[0] != window[0] {
		t.Errorf("its update returned %+v", got.Updated)
	}
	c.assertMoved(got.Reread, window[0])
	var start, end int64
	const query = `
		SELECT extract(epoch from lower(during))::bigint, extract(epoch from upper(during))::bigint
		FROM minigroup WHERE id = $1`
	err := sut.db.QueryRow(t.Context(), query, c.id).Scan(&start, &end)
	if err != nil || start != window[0] || end != window[1] {
		t.Errorf("the row has %d–%d: %v", start, end, err)
	}
}
