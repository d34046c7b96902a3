package httpapi

import (
	"fmt"
	"net/url"
	"strings"

	"minigroups/minigroup"
)

// maxKeys is the maximum number of class keys, and of account keys, in one read.
const maxKeys = 100

// propertyKeys are the keys of the properties that a read returns: of the class, and of the caller's account.
type propertyKeys struct{ class, account []string }

// decodePropertyKeys decodes class_keys[]=a&class_keys[]=b, and account_keys[] likewise; the brackets may be
// percent-encoded. Other parameters are ignored. Its error lists every invalid key.
func decodePropertyKeys(query string) (propertyKeys, error) {
	d := &decoder{}
	values, err := url.ParseQuery(query)
	if err != nil {
		d.fail("query", "must be name=value pairs separated by &, percent-encoded")
		return propertyKeys{}, d.finish(nil)
	}
	keys := propertyKeys{d.keys(values, "class_keys"), d.keys(values, "account_keys")}
	return keys, d.finish(nil)
}

func (d *decoder) keys(values url.Values, parameter string) []string {
	for name := range values {
		if name != parameter+"[]" && (name == parameter || strings.HasPrefix(name, parameter+"[")) {
			d.fail(parameter, fmt.Sprintf("must be written %s[]=key, once for each key", parameter))
			return nil
		}
	}
	keys := values[parameter+"[]"]
	if len(keys) > maxKeys {
		d.fail(parameter, fmt.Sprintf("may be given at most %d times", maxKeys))
		return nil
	}
	for i, key := range keys {
		for _, e := range minigroup.CheckName(fmt.Sprintf("%s[%d]", parameter, i), key) {
			d.fail(e.Field, e.Detail)
		}
	}
	return keys
}
