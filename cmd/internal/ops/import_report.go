package ops

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"minigroups/cmd/internal/dispatcher"
	"minigroups/minigroup"
)

// importReport is what `ops import dispatcher` and `ops export dispatcher` print.
type importReport struct {
	// Classes counts the classes by their outcome: imported, updated, unchanged, skipped.
	Classes map[minigroup.ImportOutcome]int `json:"classes"`
	// WithoutHost is how many of those that were taken over have no host.
	WithoutHost int `json:"without_host"`
	// Skipped are the reasons, the most frequent first.
	Skipped []*skippedClasses `json:"skipped"`
	// Accounts counts the accounts: those that have got properties, and those that cannot be taken over.
	Accounts accountCounts `json:"accounts"`
	// Done is true once all of it is done.
	Done bool `json:"done"`

	examples int
	does     string // imported or exported
}

type accountCounts struct {
	Changed   int `json:"changed"`
	Unchanged int `json:"unchanged"`
	Skipped   int `json:"skipped"`
}

// skippedClasses are the classes that are skipped for one reason.
type skippedClasses struct {
	Reason   minigroup.ImportReason `json:"reason"`
	Count    int                    `json:"count"`
	Examples []skippedClass         `json:"examples"`
}

type skippedClass struct {
	ClassID  uuid.UUID `json:"class_id,omitzero"`
	Audience string    `json:"audience"`
	Scope    string    `json:"scope,omitempty"`
	Account  string    `json:"account,omitempty"`
	Detail   string    `json:"detail"`
}

func newImportReport(examples countFlag) *importReport {
	return &importReport{
		Classes: map[minigroup.ImportOutcome]int{}, Skipped: []*skippedClasses{}, examples: int(examples), does: "imported",
	}
}

// add adds the result of a class.
func (r *importReport) add(id uuid.UUID, audience, scope string, result minigroup.ImportResult) {
	r.Classes[result.Outcome]++
	if result.Outcome == minigroup.ImportSkipped {
		r.skip(result.Reason, skippedClass{ClassID: id, Audience: audience, Scope: scope, Detail: result.Detail})
	}
}

func (r *importReport) skip(reason minigroup.ImportReason, example skippedClass) {
	at := slices.IndexFunc(r.Skipped, func(s *skippedClasses) bool { return s.Reason == reason })
	if at < 0 {
		at = len(r.Skipped)
		r.Skipped = append(r.Skipped, &skippedClasses{Reason: reason, Examples: []skippedClass{}})
	}
	s := r.Skipped[at]
	if s.Count++; len(s.Examples) < r.examples {
		s.Examples = append(s.Examples, example)
	}
}

// addAccount adds an account, which is skipped if why is not empty.
func (r *importReport) addAccount(a dispatcher.Account, changed bool, why string) {
	switch {
	case why != "":
		r.Accounts.Skipped++
		r.skip("invalid_account", skippedClass{Account: a.Label, Audience: a.Audience, Detail: why})
	case changed:
		r.Accounts.Changed++
	default:
		r.Accounts.Unchanged++
	}
}

func (r *importReport) progress() string {
	return fmt.Sprintf("%d %s, %d updated, %d unchanged, %d skipped", r.Classes[minigroup.ImportOutcome(r.does)], r.does,
		r.Classes[minigroup.ImportUpdated], r.Classes[minigroup.ImportUnchanged], r.Classes[minigroup.ImportSkipped])
}

func (r *importReport) writeTable(t *table) {
	t.row("CLASSES", "COUNT")
	for _, outcome := range []minigroup.ImportOutcome{
		minigroup.ImportOutcome(r.does), minigroup.ImportUpdated, minigroup.ImportUnchanged, minigroup.ImportSkipped,
	} {
		t.row(outcome, r.Classes[outcome])
	}
	t.row("without a host", r.WithoutHost)
	t.row("accounts changed", r.Accounts.Changed)
	t.row("accounts unchanged", r.Accounts.Unchanged)
	slices.SortStableFunc(r.Skipped, func(a, b *skippedClasses) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Reason), string(b.Reason)))
	})
	if len(r.Skipped) > 0 {
		t.line("")
		t.row("SKIPPED BECAUSE", "COUNT", "CLASS", "AUDIENCE", "SCOPE", "DETAIL")
	}
	for _, s := range r.Skipped {
		t.row(s.Reason, s.Count, "", "", "", "")
		for _, e := range s.Examples {
			name := e.ClassID.String()
			if e.Account != "" {
				name = "account " + e.Account
			}
			t.row("", "", name, e.Audience, e.Scope, e.Detail)
		}
	}
	if !r.Done {
		t.line("Nothing is changed without --yes.")
	}
}
