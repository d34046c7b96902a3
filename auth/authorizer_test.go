package auth_test

import (
	"errors"
	"testing"
	"time"

	"minigroups/auth"
	"minigroups/minigroup"
)

func TestAuthorize(t *testing.T) {
	authorizer, err := auth.NewAuthorizer(map[string]auth.Policy{
		"open.example":   {Kind: auth.PolicyNone},
		"closed.example": {Kind: auth.PolicyLocal, Trusted: []string{"teacher.school.example"}},
		"listed.example": {Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.school.example", Object: []string{"classrooms"}, Action: "create"},
		}},
		"wider.example": {Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{
			{Subject: "teacher.school.example", Object: []string{"classrooms"}, Action: "read"},
			{Subject: "teacher.school.example", Object: []string{"classrooms", "x"}, Action: "create"},
			{Subject: "teacher.school.example", Object: []string{"minigroups"}, Action: "create"},
		}},
	}, auth.Options{Objects: "classrooms"})
	if err != nil {
		t.Fatal(err)
	}
	teacher := auth.Account{Label: "teacher", Audience: "school.example"}
	sameID := auth.Account{Label: "teacher.school", Audience: "example"}
	for name, c := range map[string]struct {
		account  auth.Account
		audience string
		allowed  bool
	}{
		"none allows every account":     {auth.Account{Label: "x", Audience: "y"}, "open.example", true},
		"local allows trusted accounts": {teacher, "closed.example", true},
		"local denies other accounts": {
			auth.Account{Label: "pupil", Audience: "school.example"}, "closed.example", false,
		},
		"local denies the same label of another audience": {
			auth.Account{Label: "teacher", Audience: "other.example"}, "closed.example", false,
		},
		"local denies another account with the same id":   {sameID, "closed.example", false},
		"localwhitelist allows what a record lists":       {teacher, "listed.example", true},
		"localwhitelist denies other accounts":            {sameID, "listed.example", false},
		"localwhitelist denies other objects and actions": {teacher, "wider.example", false},
		"an unknown audience is denied":                   {teacher, "unknown.example", false},
		"an empty audience is denied":                     {teacher, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := authorizer.Authorize(t.Context(), c.account, c.audience, "create")
			if c.allowed {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var denial *minigroup.Error
			if !errors.As(err, &denial) || denial.Kind != minigroup.AccessDenied {
				t.Fatalf("got %v, want access_denied", err)
			}
		})
	}
}

func TestNewAuthorizerRejects(t *testing.T) {
	for name, policy := range map[string]auth.Policy{
		"an unknown kind":       {Kind: "ldap"},
		"no tenant service":     {Kind: auth.PolicyHTTP, Timeout: time.Second, Attempts: 1},
		"no timeout":            {Kind: auth.PolicyHTTP, Service: &fakeService{}, Attempts: 1},
		"no attempts":           {Kind: auth.PolicyHTTP, Service: &fakeService{}, Timeout: time.Second},
		"no requests at a time": {Kind: auth.PolicyHTTP, Service: &fakeService{}, Timeout: time.Second, Attempts: 1},
		"a record with a malformed account id": {
			Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{{Subject: "teacher"}},
		},
		"a missing kind":                 {},
		"a malformed trusted account id": {Kind: auth.PolicyLocal, Trusted: []string{"teacher"}},
	} {
		t.Run(name, func(t *testing.T) {
			options := auth.Options{Objects: "classrooms", Concurrency: 1}
			if name == "no requests at a time" {
				options.Concurrency = 0
			}
			if _, err := auth.NewAuthorizer(map[string]auth.Policy{"a": policy}, options); err == nil {
				t.Fatal("no error")
			}
		})
	}
	t.Run("but accepts one request at a time", func(t *testing.T) {
		policy := auth.Policy{Kind: auth.PolicyHTTP, Service: &fakeService{}, Timeout: time.Second, Attempts: 1}
		options := auth.Options{Objects: "classrooms", Concurrency: 1}
		_, err := auth.NewAuthorizer(map[string]auth.Policy{"a": policy}, options)
		must(t, err)
	})
}
