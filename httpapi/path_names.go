package httpapi

import (
	"net/url"

	"github.com/gin-gonic/gin"

	"minigroups/minigroup"
)

// checkPathNames refuses a path with a name that is not in NFC. Otherwise a read would answer that the minigroup does
// not exist, although one exists whose name looks the same. Names that nothing can have are left to the handlers.
func (s *server) checkPathNames(c *gin.Context) {
	var errs []minigroup.FieldError
	for _, parameter := range c.Params {
		if name, err := url.PathUnescape(parameter.Value); err == nil && parameter.Key != "minigroup_id" {
			errs = append(errs, minigroup.CheckNFC(parameter.Key, name)...)
		}
	}
	if len(errs) > 0 {
		s.fail(c, minigroup.Invalid(errs))
	}
}
