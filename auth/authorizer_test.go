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
		"listed.example": {Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{{Subject: "teacher.school.example", Object: []string{"classrooms"}, Action: "create"}}},
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
	for name, c := range map[string]struct {
		account  auth.Account
		audience string
		allowed  bool
	}{
		"none lets everybody":                              {auth.Account{Label: "x", Audience: "y"}, "open.example", true},
		"local lets the trusted":                           {teacher, "closed.example", true},
		"local refuses others":                             {auth.Account{Label: "pupil", Audience: "school.example"}, "closed.example", false},
		"local refuses the same label elsewhere":           {auth.Account{Label: "teacher", Audience: "other.example"}, "closed.example", false},
		"local refuses another account with the same id":   {auth.Account{Label: "teacher.school", Audience: "example"}, "closed.example", false},
		"localwhitelist lets what is listed":               {teacher, "listed.example", true},
		"localwhitelist refuses others":                    {auth.Account{Label: "teacher.school", Audience: "example"}, "listed.example", false},
		"localwhitelist refuses other objects and actions": {teacher, "wider.example", false},
		"an unknown audience is refused":                   {teacher, "unknown.example", false},
		"an empty audience is refused":                     {teacher, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := authorizer.Authorize(t.Context(), c.account, c.audience, "create")
			if c.allowed {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var refusal *minigroup.Error
			if !errors.As(err, &refusal) || refusal.Kind != minigroup.AccessDenied {
				t.Fatalf("got %v, want access_denied", err)
			}
		})
	}
}

func TestNewAuthorizerRefuses(t *testing.T) {
	for name, policy := range map[string]auth.Policy{
		"an unknown kind":                      {Kind: "ldap"},
		"nobody to ask":                        {Kind: auth.PolicyHTTP, Timeout: time.Second, Attempts: 1},
		"no time for an answer":                {Kind: auth.PolicyHTTP, Tenant: &iam{}, Attempts: 1},
		"no attempt":                           {Kind: auth.PolicyHTTP, Tenant: &iam{}, Timeout: time.Second},
		"a record for no account":              {Kind: auth.PolicyLocalWhitelist, Records: []auth.Record{{Subject: "teacher"}}},
		"a missing kind":                       {},
		"a trusted account that is no account": {Kind: auth.PolicyLocal, Trusted: []string{"teacher"}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := auth.NewAuthorizer(map[string]auth.Policy{"a": policy}, auth.Options{Objects: "classrooms", Concurrency: 1}); err == nil {
				t.Fatal("no error")
			}
		})
	}
}
