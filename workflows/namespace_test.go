package workflows

import (
	"maps"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
)

func TestSearchAttributesAreComparedWithTheirTypes(t *testing.T) {
	complete := func() map[string]enumspb.IndexedValueType {
		missing, err := compareSearchAttributes(nil)
		if err != nil || len(missing) != len(SearchAttributes()) {
			t.Fatalf("an empty namespace lacks %v, %v", missing, err)
		}
		return missing
	}
	for name, c := range map[string]struct {
		change  func(found map[string]enumspb.IndexedValueType)
		missing map[string]enumspb.IndexedValueType
		wrong   string
	}{
		"complete": {change: func(map[string]enumspb.IndexedValueType) {}},
		"with those of others": {change: func(found map[string]enumspb.IndexedValueType) {
			found["OrderId"] = enumspb.INDEXED_VALUE_TYPE_INT
		}},
		"without one": {
			change:  func(found map[string]enumspb.IndexedValueType) { delete(found, "MinigroupAttention") },
			missing: map[string]enumspb.IndexedValueType{"MinigroupAttention": enumspb.INDEXED_VALUE_TYPE_BOOL},
		},
		"with other types": {
			change: func(found map[string]enumspb.IndexedValueType) {
				delete(found, "MinigroupId")
				found["MinigroupAttention"] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
				found["MinigroupWaitingFor"] = enumspb.INDEXED_VALUE_TYPE_TEXT
			},
			wrong: "search attributes have another type: MinigroupAttention is Keyword, expected Bool; " +
				"MinigroupWaitingFor is Text, expected KeywordList",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := complete()
			c.change(found)
			missing, err := compareSearchAttributes(found)
			if c.wrong != "" {
				if err == nil || err.Error() != c.wrong {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || !maps.Equal(missing, c.missing) {
				t.Errorf("got %v, %v, want %v", missing, err, c.missing)
			}
		})
	}
}
